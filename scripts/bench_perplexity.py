"""Rolling perplexity beside lm-evaluation-harness: the same bits per byte, and tokens per second.

One long document, a real model of 260,032 parameters, float32, windows of 512 tokens with one token of context behind
a BOS. Every block is a process of its own that loads the model once and does each way in turn, the next block in the
other order; a ratio is taken within a block. Both sides start from the text and end with the figure.

    python scripts/bench_perplexity.py --blocks 3 [--characters 200000]

Exit code 1 when bits per byte differ by more than 1e-4 of their size, when the mean NLL of the TinyStories sample is
not 1.26644, or when ours is less than twice as fast as the harness with its best batch.
"""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.bench_parts import REALDATA, arguments, block, composed, load_average, report, spread  # noqa: E402

MODEL = REALDATA / "models" / "stories260k_hf"
DOCUMENT, STORIES = REALDATA / "text" / "wikitext2_valid.txt", REALDATA / "text" / "tinystories_sample.txt"
WINDOW, CONTEXT = 512, 1
BATCHES = (1, 8, 32)  # of the harness
KNOWN_NLL = 1.26644  # nats per token of the stories (docs/realdata.md)
ALLOWED_DIFFERENCE, REQUIRED_RATIO = 1e-4, 2.0


def ours(mode: str) -> tuple[Any, Callable[[list[str]], dict[str, float]]]:
    """The engine, and what gives our scores of documents by name."""
    from finetune_lab.config import build
    from finetune_lab.protocols import Subject
    from finetune_lab.records import Artifact, Sample

    config = composed(
        "model=local",
        f"model.path='{MODEL}'",
        "runtime.device=cpu",
        "tracker=none",
        "eval=[perplexity]",
        f"eval.perplexity.mode={mode}",
        f"eval.perplexity.window={WINDOW}",
        f"eval.perplexity.context={CONTEXT}",
    )
    source, runtime, evaluator = build(config, "model", "runtime", "eval.perplexity")
    engine = source.load(runtime)

    def score(texts: list[str]) -> dict[str, float]:
        nothing: Any = None
        subject = Subject(
            artifact=Artifact(key="base", label="base"),
            rows=tuple(Sample.of(text=text) for text in texts),
            folder=ROOT,
            model=lambda: engine,
            answers=nothing,
            evaluation=nothing,
        )
        found = evaluator.evaluate(subject)
        return {score.name: score.value for score in found.scores} | {"tokens": found.counts["tokens"]}

    return engine, score


def harness(engine: Any, batch: int) -> Callable[[str], float]:
    """What gives the harness' nats of a document, over the same weights."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    tokenizer = engine.chat.tokenizer
    model = HFLM(
        pretrained=engine.module,
        tokenizer=tokenizer,
        backend="causal",
        batch_size=batch,
        max_length=WINDOW,
        prefix_token_id=tokenizer.bos_token_id,
        add_bos_token=False,  # else a second one is put behind the prefix and scored
    )

    def score(text: str) -> float:
        asked = Instance(request_type="loglikelihood_rolling", doc={}, arguments=(text,), idx=0)
        return -float(model.loglikelihood_rolling([asked], disable_tqdm=True)[0])

    return score


def one_block(text: str, forward: bool) -> dict[str, Any]:
    """Seconds and nats of every way."""
    engine, score = ours("rolling")
    nats: dict[str, Callable[[], float]] = {}
    found: dict[str, Any] = {"seconds": {}, "bits_per_byte": {}}
    num_bytes, bit = len(text.encode()), math.log(2)

    def by_us() -> float:
        scores = score([text])
        found["tokens"] = scores["tokens"]
        return scores["bits_per_byte"] * num_bytes * bit

    nats["ours"] = by_us
    for batch in BATCHES:
        judge = harness(engine, batch)
        nats[f"lm-eval {batch}"] = lambda judge=judge: judge(text)
        judge(text[:3000])  # warm
    score([text[:3000]])
    for name in list(nats) if forward else list(nats)[::-1]:
        started = time.perf_counter()
        found["bits_per_byte"][name] = nats[name]() / num_bytes / bit
        found["seconds"][name] = time.perf_counter() - started
    return found


def known_stories() -> float:
    """Mean nats per token of the five stories."""
    texts = [part.strip() for part in STORIES.read_text(encoding="utf-8").split("<|endoftext|>")]
    return math.log(ours("full")[1]([text for text in texts if text])["perplexity"])


def summarise(rounds: list[dict[str, Any]]) -> bool:
    """Print speeds and figures; whether both are as required."""
    ways = list(rounds[0]["seconds"])
    for way in ways:
        speeds = [one["tokens"] / one["seconds"][way] for one in rounds]
        print(f"{way:11} {spread(speeds, 0)} tokens/s   {rounds[0]['bits_per_byte'][way]:.7f} bits per byte")
    best = [min(seconds for way, seconds in one["seconds"].items() if way != "ours") for one in rounds]
    ratios = sorted(least / one["seconds"]["ours"] for least, one in zip(best, rounds, strict=True))
    others = [rounds[0]["bits_per_byte"][way] for way in ways if way != "ours"]
    apart = max(abs(other / rounds[0]["bits_per_byte"]["ours"] - 1) for other in others)
    print(f"ours / lm-eval with its best batch: {spread(ratios)}; bits per byte apart by {apart:.1e} of their size")
    return ratios[len(ratios) // 2] >= REQUIRED_RATIO and apart <= ALLOWED_DIFFERENCE


def main() -> None:
    parser = arguments(__doc__ or "", [])
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--characters", type=int, default=None, help="of the document, from its beginning")
    asked = parser.parse_args()
    text = DOCUMENT.read_text(encoding="utf-8").strip()[: asked.characters]  # as data=text reads it
    if asked.block == "stories":
        report({"nll": known_stories()})
        return
    if asked.block:
        report(one_block(text, asked.block == "forward"))
        return
    nll = block("bench_perplexity.py", "--block", "stories")["nll"]
    print(f"TinyStories sample: {nll:.5f} nats per token, known {KNOWN_NLL}", flush=True)
    rounds = []
    for number in range(asked.blocks):
        order = ("forward", "backward")[number % 2]
        cut = ("--characters", str(asked.characters)) if asked.characters else ()
        rounds.append(block("bench_perplexity.py", "--block", order, *cut))
        times = ", ".join(f"{way} {seconds:.1f} s" for way, seconds in rounds[-1]["seconds"].items())
        print(f"block {number}: {rounds[-1]['tokens']} tokens; {times} (load {load_average()})", flush=True)
    good = summarise(rounds)
    sys.exit(not (good and abs(nll - KNOWN_NLL) < 1e-5))


if __name__ == "__main__":
    main()
