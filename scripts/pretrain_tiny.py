"""Makes the embedded model `tiny`: its text, its tokenizer, its weights and its model card.

python scripts/pretrain_tiny.py --steps 2000                  # train, then write the assets
python scripts/pretrain_tiny.py --steps 2000 --resume         # go on after a stop
python scripts/pretrain_tiny.py --export                      # write the assets from the last checkpoint
python scripts/pretrain_tiny.py --contamination rows.jsonl    # what the text shares with a task's rows
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tiny_assets import FIRST_EXPORT_STEP, SCRATCH, build_model, export, load_tokenizer
from tiny_card import Facts
from tiny_contamination import count, read_rows
from tiny_start import set_starting_weights
from tiny_world import documents
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

SEED = 20
HELD_OUT_SEED = 21
#: About 19 million tokens, more than one run of the default length sees.
NUM_DOCUMENTS = 170_000
NUM_HELD_OUT = 300
NUM_TOKENIZER_DOCUMENTS = 30_000
BATCH_TOKENS = 4096
SHORT, LONG = 512, 1024
#: The last part of the run sees longer windows, so that later positions are trained as well.
LONG_FROM = 0.8
PEAK_RATE, WARMUP_STEPS, WEIGHT_DECAY, CLIP = 3e-3, 100, 0.1, 1.0
REPORT_STEPS, CHECKPOINT_SECONDS = 100, 180.0


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The token ids of all documents in a row, and where each document begins."""

    ids: np.ndarray
    starts: np.ndarray

    def window(self, index: int, length: int) -> np.ndarray:
        """`length` tokens from the start of the document that holds token `index * length`."""
        place = np.searchsorted(self.starts, index * length, side="right") - 1
        begin = min(int(self.starts[place]), len(self.ids) - length)
        return self.ids[begin : begin + length]


@dataclass(kw_only=True)
class Progress:
    """Where a run stands; `curve` holds (step, tokens, train loss, held-out loss, seconds)."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    curve: list[tuple[int, int, float, float, float]] = field(default_factory=list)


def load_corpus(tokenizer: PreTrainedTokenizerFast, seed: int, num_documents: int) -> Corpus:
    """The corpus of a seed, encoded once and kept in the scratch folder."""
    path = SCRATCH / f"corpus-{seed}-{num_documents}.npz"
    if not path.exists():
        ids: list[np.ndarray] = []
        for start in range(0, num_documents, 2000):
            texts = list(documents(seed, min(2000, num_documents - start), start))
            ids += [np.array(row, dtype=np.uint16) for row in tokenizer(texts)["input_ids"]]
        lengths = np.array([len(row) for row in ids])
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        np.savez(path, ids=np.concatenate(ids), starts=starts)
    stored = np.load(path)
    return Corpus(ids=stored["ids"], starts=stored["starts"])


def batch_at(corpus: Corpus, step: int, num_steps: int) -> torch.Tensor:
    """The batch of a step, shape (sequences, length): a function of the step alone, so a resumed run is the same."""
    length = LONG if step >= LONG_FROM * num_steps else SHORT
    rows = BATCH_TOKENS // length
    num_windows = len(corpus.ids) // length
    order = np.random.default_rng(SEED).permutation(num_windows)
    chosen = [corpus.window(int(order[(step * rows + row) % num_windows]), length) for row in range(rows)]
    return torch.from_numpy(np.stack(chosen).astype(np.int64))


def rate_at(step: int, num_steps: int) -> float:
    """Learning rate: linear warm-up, then a cosine down to a hundredth of the peak."""
    if step < WARMUP_STEPS:
        return PEAK_RATE * (step + 1) / WARMUP_STEPS
    share = (step - WARMUP_STEPS) / max(1, num_steps - WARMUP_STEPS)
    return PEAK_RATE * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def build_optimizer(model: LlamaForCausalLM) -> torch.optim.AdamW:
    """AdamW that decays matrices but not the norms' vectors."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.95))


def loss_of(model: LlamaForCausalLM, batch: torch.Tensor, *, is_half: bool) -> torch.Tensor:
    """Mean next-token loss of a batch; `is_half` multiplies in bfloat16, the weights stay float32."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_half):
        return model(input_ids=batch, labels=batch, use_cache=False).loss


@torch.no_grad()
def held_out_loss(model: LlamaForCausalLM, corpus: Corpus) -> float:
    """Mean loss per token on windows of the held-out corpus, in float32."""
    windows = [corpus.window(index, SHORT) for index in range(len(corpus.ids) // SHORT)]
    losses = [
        loss_of(model, torch.from_numpy(np.stack(windows[at : at + 8]).astype(np.int64)), is_half=False).item()
        for at in range(0, len(windows) - 7, 8)
    ]
    return sum(losses) / len(losses)


def train(options: argparse.Namespace) -> None:
    """Trains up to `steps` steps or `minutes` minutes, with checkpoints; writes the assets early and at the end."""
    torch.manual_seed(SEED)
    tokenizer = load_tokenizer(documents(SEED, NUM_TOKENIZER_DOCUMENTS))
    corpus = load_corpus(tokenizer, SEED, NUM_DOCUMENTS)
    held_out = load_corpus(tokenizer, HELD_OUT_SEED, NUM_HELD_OUT)
    model = build_model(tokenizer)
    set_starting_weights(model, torch.Generator().manual_seed(SEED))
    optimizer, progress = build_optimizer(model), Progress()
    if options.resume:
        progress = restore(model, optimizer)
    print(f"{len(corpus.ids):,} tokens, {model.num_parameters():,} parameters, from step {progress.step}", flush=True)
    began, saved, before = time.monotonic(), time.monotonic(), progress.seconds
    while progress.step < options.steps and time.monotonic() - began < options.minutes * 60:
        loss = one_step(model, optimizer, batch_at(corpus, progress.step, options.steps), progress, options)
        progress.seconds = before + time.monotonic() - began
        if progress.step % REPORT_STEPS == 0 or progress.step == options.steps:
            report(model, held_out, progress, loss)
        if progress.step == FIRST_EXPORT_STEP:
            export(model, tokenizer, progress.curve, facts(tokenizer))
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            save(model, optimizer, progress)
            saved = time.monotonic()
    save(model, optimizer, progress)
    export(model, tokenizer, progress.curve, facts(tokenizer))


def one_step(
    model: LlamaForCausalLM,
    optimizer: torch.optim.AdamW,
    batch: torch.Tensor,
    progress: Progress,
    options: argparse.Namespace,
) -> float:
    """One update; counts it in `progress` and gives the loss before it."""
    for group in optimizer.param_groups:
        group["lr"] = rate_at(progress.step, options.steps)
    loss = loss_of(model, batch, is_half=not options.full_precision)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    optimizer.zero_grad()
    progress.step += 1
    progress.tokens += batch.numel()
    return loss.item()


def report(model: LlamaForCausalLM, held_out: Corpus, progress: Progress, train_loss: float) -> None:
    """Adds a point to the curve and prints it."""
    point = (progress.step, progress.tokens, train_loss, held_out_loss(model, held_out), progress.seconds)
    progress.curve.append(point)
    step, tokens, _, held, seconds = point
    speed = f"{tokens / seconds:,.0f} tokens per second"
    print(f"step {step} tokens {tokens:,} train {train_loss:.3f} held-out {held:.3f} {speed}", flush=True)


def save(model: LlamaForCausalLM, optimizer: torch.optim.AdamW, progress: Progress) -> None:
    """Keeps everything that `restore` needs."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "progress": vars(progress)}
    torch.save(state, SCRATCH / "checkpoint.new")
    # renamed last: a stop while writing leaves the former checkpoint whole
    (SCRATCH / "checkpoint.new").rename(SCRATCH / "checkpoint.pt")


def restore(model: LlamaForCausalLM, optimizer: torch.optim.AdamW | None) -> Progress:
    """Loads the last checkpoint and says where it stands."""
    state = torch.load(SCRATCH / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["model"])
    if optimizer:
        optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])


def export_checkpoint() -> None:
    """Writes the assets from the last checkpoint."""
    tokenizer = load_tokenizer(documents(SEED, NUM_TOKENIZER_DOCUMENTS))
    model = build_model(tokenizer)
    progress = restore(model, None)
    export(model, tokenizer, progress.curve, facts(tokenizer))


def facts(tokenizer: PreTrainedTokenizerFast) -> Facts:
    """What the model card says of the run."""
    counted = SCRATCH / "contamination.txt"
    return Facts(
        seed=SEED,
        held_out_seed=HELD_OUT_SEED,
        num_documents=NUM_DOCUMENTS,
        num_tokenizer_documents=NUM_TOKENIZER_DOCUMENTS,
        short_tokens=SHORT,
        long_tokens=LONG,
        batch_tokens=BATCH_TOKENS,
        peak_rate=PEAK_RATE,
        corpus_tokens=len(load_corpus(tokenizer, SEED, NUM_DOCUMENTS).ids),
        contamination=counted.read_text(encoding="utf-8") if counted.exists() else None,
    )


def contamination(rows: Path) -> None:
    """Regenerates the corpus and prints what it shares with the rows."""
    counts = count(documents(SEED, NUM_DOCUMENTS), read_rows(rows))
    print(counts)
    (SCRATCH / "contamination.txt").write_text(f"{rows.parent.name}/{rows.name}\n{counts}\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000, help="updates in the whole run")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this wall time, to be resumed")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--export", action="store_true", help="only write the assets from the last checkpoint")
    parser.add_argument("--full-precision", action="store_true", help="multiply in float32 instead of bfloat16")
    parser.add_argument("--contamination", type=Path, metavar="FILE.jsonl", help="only count what these rows share")
    return parser.parse_args()


def main() -> None:
    """Does what the command line asks."""
    options = parse()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    if options.contamination:
        contamination(options.contamination)
    elif options.export:
        export_checkpoint()
    else:
        train(options)


if __name__ == "__main__":
    main()
