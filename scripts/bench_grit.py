"""What GRIT costs beside QLoRA: total time of 200 steps in interleaved blocks of 20, and peak memory, on model tiny.

python scripts/bench_grit.py [--steps 200] [--block-steps 20] [--limit 1.05] [--memory-limit 1.03] [optimizer overrides]

Both sides stand in one process with a model, an adapter and an optimizer of their own, and see the same rows in the
same order: batch 4, two passes a step, as conf/method/qlora.yaml and conf/method/grit.yaml have it. Blocks take turns,
so that whatever else the machine does falls on both. Loop, loss, clipping and dropout are the same code. Peak memory is
measured in processes of their own, above the level before the first step. The exit code is 1 above a limit.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from bench_parts import block, composed, conversations, load_average, report, spread

SIDES = ("qlora", "grit")
ROWS, BATCH, PASSES, LONGEST = 400, 4, 2, 640


def prepared(side: str, overrides: list[str]) -> Callable[[int], None]:
    """A function that takes the step of a number, with a model of its own."""
    import torch

    from finetune_lab.config import build
    from finetune_lab.records import Sample
    from finetune_lab.training.dropout import quicken
    from finetune_lab.training.order import row_order
    from finetune_lab.training.rows import collate

    own = overrides if side == "grit" else []
    config = composed(f"method={side}", "model=tiny", "runtime.device=cpu", "tracker=none", *own)
    source, method, runtime = build(config, "model", "method", "runtime")
    engine = source.load(runtime)
    found = [engine.chat.conversation(Sample.of(messages=turns)) for turns in conversations("tiny", 0, ROWS)]
    rows = [row for row in found if len(row.ids) <= LONGEST]
    order = row_order([len(row.ids) for row in rows], batch_size=BATCH * PASSES, num_batches=1000, seed=0)
    torch.manual_seed(0)
    model = method.adapter.attach(engine.module, source.projections)
    quicken(model)
    model.train()
    optimizer = method.optimizer.make(model)
    weights = [weight for weight in model.parameters() if weight.requires_grad]

    def step(number: int) -> None:
        start = number * BATCH * PASSES
        batches = [collate([rows[n] for n in order[s : s + BATCH]]) for s in (start, start + BATCH)]
        scored = sum((batch["labels"][:, 1:] != -100).sum() for batch in batches)
        for batch in batches:
            model(**batch, num_items_in_batch=scored).loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def interleaved(steps: int, block_steps: int, overrides: list[str]) -> dict[str, list[tuple[float, float]]]:
    """Wall and processor seconds of every block of each side."""
    take = {side: prepared(side, overrides) for side in SIDES}
    for side in SIDES:
        take[side](0)  # what only the first step pays: memory, kernels
    found: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    for number, start in enumerate(range(0, steps, block_steps)):
        for side in SIDES if number % 2 == 0 else SIDES[::-1]:
            began = time.perf_counter(), time.process_time()
            for step in range(start, start + block_steps):
                take[side](step)
            found[side].append((time.perf_counter() - began[0], time.process_time() - began[1]))
        ratio = found["grit"][-1][1] / found["qlora"][-1][1]
        print(f"steps {start} to {start + block_steps}: processor {ratio:.3f}, load {load_average()}", flush=True)
    return found


def peak(side: str, steps: int, overrides: list[str]) -> int:
    """Peak bytes of `steps` steps above the level before the first."""
    from finetune_lab.training.memory import PeakMemory

    take = prepared(side, overrides)
    memory = PeakMemory("cpu")
    for number in range(steps):
        take(number)
    return memory.read()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--block-steps", type=int, default=20)
    parser.add_argument("--memory-steps", type=int, default=40)
    parser.add_argument("--memory-pairs", type=int, default=3)
    parser.add_argument("--limit", type=float, default=1.05)
    parser.add_argument("--memory-limit", type=float, default=1.03)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--block", choices=SIDES, help="internal: measure the memory of one side")
    parser.add_argument("overrides", nargs="*", help="for GRIT's side, as method.optimizer.wide_rank=32")
    asked = parser.parse_args()
    import torch

    torch.set_num_threads(asked.threads)
    if asked.block:
        report({"bytes": peak(asked.block, asked.memory_steps, asked.overrides)})
        return
    found = interleaved(asked.steps, asked.block_steps, asked.overrides)
    totals = {side: [sum(values) for values in zip(*blocks, strict=True)] for side, blocks in found.items()}
    ratios = [totals["grit"][clock] / totals["qlora"][clock] for clock in (0, 1)]
    for clock, name in enumerate(("wall", "processor")):
        each = [ours[clock] / theirs[clock] for ours, theirs in zip(found["grit"], found["qlora"], strict=True)]
        per_step = totals["qlora"][clock] / asked.steps * 1e3
        print(f"{name:9} {ratios[clock]:.3f} in all, by block {spread(each, 3)}; QLoRA {per_step:.0f} ms a step")
    given = ("--memory-steps", str(asked.memory_steps), "--threads", str(asked.threads), *asked.overrides)
    peaks = [
        [block("bench_grit.py", "--block", side, *given)["bytes"] for side in SIDES] for _ in range(asked.memory_pairs)
    ]
    memory = [grit / qlora for qlora, grit in peaks]
    most = sorted(memory)[len(memory) // 2] if memory else 0.0
    if memory:
        print(f"memory    {spread(memory, 3)}; QLoRA {peaks[0][0] / 2**20:.0f} MiB above the level before training")
    print(f"load {load_average()}; limits {asked.limit} and {asked.memory_limit}")
    sys.exit(ratios[1] > asked.limit or most > asked.memory_limit)


if __name__ == "__main__":
    main()
