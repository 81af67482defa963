"""The model card of `tiny`, with measured figures, samples and the picture of the loss curve."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from tiny_world import chats
from tiny_world.lines import LINES
from tiny_world.scene import Scene
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

Curve = list[tuple[int, int, float, float, float]]
#: Apart from the seeds of the training and the held-out text.
PROBE_SEED = 22
NUM_PROBES = 60
PROMPTS = (
    "In the village of Oakham there lived a",
    "Dear Olga,\n\n",
    "On Monday Bruno went to the market with a lantern and a rope.",
    "Monday. I met",
    "Ines has the red cup. Pavel has the blue bell. Greta has the green hat.\nWho has the bell?",
)
QUESTIONS = (
    "Tell me a story about Nora and the donkey.",
    "What is a lighthouse?",
    "Say this again: brundle 47 lemon Kwosh !",
    "Hilda wore a purple scarf. Milo has 6 goats. The mill opens at 8:15.\n\nWhen does the mill open?",
    "Give me four animals as a numbered list.",
)
#: Questions with one right answer; the last one is answered by the model and compared word for word.
PROBES: tuple[tuple[str, Callable[[Scene], chats.Turns]], ...] = (
    ("questions about a text", chats.about_text),
    ("repeating", chats.repeat),
    ("putting in order", chats.ordering),
    ("the next day or month", chats.calendar),
    ("opposites", chats.opposite),
    ("sums below 60", chats.calculate),
    ("how many are left", chats.word_problem),
)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the card says of the run; the contamination is the text of the count, if it was made."""

    seed: int
    held_out_seed: int
    num_documents: int
    num_tokenizer_documents: int
    short_tokens: int
    long_tokens: int
    batch_tokens: int
    peak_rate: float
    corpus_tokens: int
    contamination: str | None


@torch.no_grad()
def continuation(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, text: str, longest: int = 90) -> str:
    """What the model writes after `text`, greedily, up to one of its ends."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    written = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=longest, do_sample=False)
    return tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True).strip()


def answer(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, str]]) -> str:
    """The model's greedy answer to a conversation."""
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return continuation(model, tokenizer, prompt)


def probe(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    """The share of exact answers for each kind of question."""
    shares = {}
    for name, maker in PROBES:
        right = 0
        for index in range(NUM_PROBES):
            turns = maker(Scene(random.Random(f"probe-{PROBE_SEED}-{name}-{index}"), LINES))
            messages = [m for ask, reply in turns for m in _exchange(ask, reply)][:-1]
            right += answer(model, tokenizer, messages) == turns[-1][1]
        shares[name] = right / NUM_PROBES
    return shares


def _exchange(ask: str, reply: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": ask}, {"role": "assistant", "content": reply}]


def write_picture(path: Path, curve: Curve) -> None:
    """The loss curve as a small picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3), dpi=80)
    tokens = [point[1] / 1e6 for point in curve]
    axes.plot(tokens, [point[2] for point in curve], label="training batch", linewidth=0.8, alpha=0.6)
    axes.plot(tokens, [point[3] for point in curve], label="held-out text")
    axes.set(xlabel="million tokens", ylabel="loss per token (nats)")
    axes.legend()
    figure.tight_layout()
    # no version or date in the file: the same curve gives the same bytes
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)


def write_card(
    folder: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, curve: Curve, facts: Facts
) -> None:
    """Writes README.md and loss_curve.png beside the weights."""
    write_picture(folder / "loss_curve.png", curve)
    sections = (
        _head(model, curve),
        _making(curve, facts),
        _curve_table(curve),
        _abilities(probe(model, tokenizer)),
        _samples(model, tokenizer),
        _contamination(facts.contamination),
        _LIMITS,
    )
    (folder / "README.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _head(model: LlamaForCausalLM, curve: Curve) -> str:
    config, held_out = model.config, curve[-1][3]
    return f"""---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [llama, tiny, synthetic]
---

# tiny

A language model of {model.num_parameters():,} parameters, fluent in a small made-up world and in nothing else. It is
there so that fine-tuning, evaluation and export can be run and tested in minutes on a processor, on a model that has
something to forget. Llama architecture: {config.num_hidden_layers} layers, width {config.hidden_size}, inner width \
{config.intermediate_size}, {config.num_attention_heads} heads
of {config.head_dim} with {config.num_key_value_heads} for keys and values, tied embeddings, vocabulary \
{config.vocab_size}. The weights are stored as float16.

Held-out loss {held_out:.3f} nats per token, perplexity {math.exp(held_out):.2f}.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
tokenizer = AutoTokenizer.from_pretrained(folder)
```

The chat template writes `<|bos|>`, then for each message `<|role|>`, a line feed, the content, `<|end|>` and a line
feed. The tokenizer itself adds no `<|bos|>`, so a rendered chat has exactly one. `<|end|>` ends a turn, `<|eos|>` a
text."""


def _making(curve: Curve, facts: Facts) -> str:
    steps, tokens, _, _, seconds = curve[-1]
    return f"""## How it was made

`python scripts/pretrain_tiny.py --steps {steps}` makes it anew.

- **Text.** `scripts/tiny_world` writes documents from word lists, sentence patterns and small programs: stories,
  diaries, letters, recipes, questions about a text, prices, clock times, sorting, games of repeating, and chats with
  prose answers. Nothing was copied from elsewhere. Document i of seed s is a function of (s, i) alone.
  Training text: seed {facts.seed}, {facts.num_documents:,} documents, {facts.corpus_tokens:,} tokens.
  Held-out text: seed {facts.held_out_seed}.
- **Tokenizer.** Byte-level BPE with the pre-tokenizer of GPT-2, trained on the first
  {facts.num_tokenizer_documents:,} documents; numbers are read digit by digit.
- **First weights.** Random, but one head of layer 0 begins by looking at the previous token and two heads of layer 1
  begin as induction heads (`scripts/tiny_start.py`); without them so short a training does not learn to copy.
- **Training.** Seed {facts.seed}, {steps:,} steps of {facts.batch_tokens:,} tokens, {tokens:,} tokens in all, in
  windows of {facts.short_tokens} tokens, in the last fifth of {facts.long_tokens}. AdamW (0.9, 0.95), weight decay
  0.1, clipping at 1, peak rate {facts.peak_rate:g} with warm-up and cosine; float32 weights, products in bfloat16.
  Two shared processor cores, {seconds / 60:.0f} minutes, {tokens / seconds:,.0f} tokens per second."""


def _curve_table(curve: Curve) -> str:
    every = max(1, len(curve) // 12)
    points = curve[every - 1 :: every]
    points = points if points[-1] == curve[-1] else [*points, curve[-1]]
    rows = [f"| {step:,} | {tokens:,} | {train:.3f} | {held:.3f} |" for step, tokens, train, held, _ in points]
    lead = "## Loss curve\n\n![loss curve](loss_curve.png)\n\nEvery point is in `loss_curve.csv`.\n"
    return "\n".join((lead, "| step | tokens | training batch | held-out |", "|---:|---:|---:|---:|", *rows))


def _abilities(shares: dict[str, float]) -> str:
    rows = "\n".join(f"| {name} | {share:.0%} |" for name, share in shares.items())
    return (
        f"## What it can do\n\nGreedy answers that are right word for word, {NUM_PROBES} fresh questions of each kind "
        f"(seed {PROBE_SEED}):\n\n| kind | right |\n|---|---:|\n{rows}"
    )


def _samples(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> str:
    parts = ["## Samples\n\nGreedy, not chosen; the prompt stands before the bar."]
    for prompt in PROMPTS:
        parts.append(_block(f"{prompt} | {continuation(model, tokenizer, '<|bos|>' + prompt.rstrip())}"))
    for question in QUESTIONS:
        reply = answer(model, tokenizer, [{"role": "user", "content": question}])
        parts.append(_block(f"user: {question}\nassistant | {reply}"))
    return "\n\n".join(parts)


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


def _contamination(counts: str | None) -> str:
    intro = (
        "## Contamination\n\nThe world knows no travel requests, no JSON and none of the task's keys. "
        "`python scripts/pretrain_tiny.py --contamination rows.jsonl` writes the whole text again and counts what it "
        "shares with the rows of a task: runs of eight words, messages that stand in it whole, keys of the rows' JSON, "
        "and the task's own words.\n\n"
    )
    return intro + (_block(counts.strip()) if counts else "Not counted yet.")


_LIMITS = """## Limits

It knows some 1,500 words and a few hundred sentence patterns. Sentences are grammatical, but the events of a story do
not follow from each other, and greedy text likes to come back to the same sentence. It finds facts in a short text and
copies short rows, but it cannot calculate, hardly sorts, and knows nothing of the real world. Positions above 1,024
were never trained. Not for any use but experiments and tests."""
