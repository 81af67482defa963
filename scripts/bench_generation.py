"""Greedy generation in batches against one by one: the engine, and a plain loop over sorted, left-padded batches.

python scripts/bench_generation.py [--cases random20m tiny tiny-nf4] [--pairs 5] [--limit 4];
exit code 1 when eight at a
time are less than `--limit` times as fast as one by one, or when a text changes with the batch.
64 prompts of uneven length, 64 new tokens each: nothing ends a text before, so that every way does the same work.
Every block is a process of its own that loads the model, writes a few answers to warm up, and then does each way in
turn, so that the ratios come from the same stretch of time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench_parts import CASES, arguments, block, composed, conversations, load_average, model_folder, report, spread

PROMPTS, NEW_TOKENS = 64, 64
SIZES = (1, 8, 32)
NO_TOKEN = -1  # as the token that ends a text


def engine_of(case: str, model: str, batch_rows: int) -> Any:
    """Our engine with a batch of at most so many rows."""
    from finetune_lab.config import build

    config = composed(
        "model=local",
        f"model.path={model}",
        f"model.quantization={CASES[case][1]}",
        "runtime.device=cpu",
        f"runtime.inference_batch_rows={batch_rows}",
        "runtime.inference_batch_tokens=1000000",
        "tracker=none",
    )
    source, runtime = build(config, "model", "runtime")
    engine = source.load(runtime)
    engine.ends = lambda: frozenset({NO_TOKEN})
    return engine


def by_engine(engine: Any, prompts: dict[str, Any]) -> dict[str, str]:
    """What a user of ours gets."""
    from finetune_lab.records import Decoding

    answers = engine.generate(prompts, Decoding(max_new_tokens=NEW_TOKENS))
    return {answer.sample: answer.text for answer in answers}


def by_loop(engine: Any, prompts: dict[str, Any], size: int) -> dict[str, str]:
    """The loop that one writes by hand: sort, pad on the left, model.generate, decode."""
    import torch

    tokenizer, coded = engine.chat.tokenizer, {name: engine.chat.prompt(turns) for name, turns in prompts.items()}
    names = sorted(coded, key=lambda name: len(coded[name]))
    texts = {}
    for start in range(0, len(names), size):
        group = names[start : start + size]
        width = max(len(coded[name]) for name in group)
        pads = [width - len(coded[name]) for name in group]
        ids = torch.tensor(
            [[tokenizer.pad_token_id] * pad + coded[name] for pad, name in zip(pads, group, strict=True)]
        )
        mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in pads])
        with torch.no_grad():
            written = engine.module.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                eos_token_id=NO_TOKEN,
                pad_token_id=tokenizer.pad_token_id,
            )
        for name, row in zip(group, written[:, width:], strict=True):
            texts[name] = tokenizer.decode(row, skip_special_tokens=True)
    return texts


def prompts_of(case: str) -> dict[str, Any]:
    """64 requests whose lengths run from short to long."""
    turns = [row[:-1] for row in conversations(case, 0, PROMPTS)]
    return {str(number): row for number, row in enumerate(turns)}


def one_block(case: str, model: str, forward: bool) -> dict[str, Any]:
    """Seconds and texts of every way; `forward` tells in which order."""
    prompts = prompts_of(case)
    ways: dict[str, Callable[[], dict[str, str]]] = {}
    for size in SIZES:
        engine = engine_of(case, model, size)
        few = dict(list(prompts.items())[:size])
        by_engine(engine, few)
        ways[f"engine {size}"] = lambda engine=engine: by_engine(engine, prompts)
        ways[f"loop {size}"] = lambda engine=engine, size=size: by_loop(engine, prompts, size)
    found: dict[str, Any] = {"seconds": {}, "texts": {}}
    for name in list(ways) if forward else list(ways)[::-1]:
        started = time.perf_counter()
        found["texts"][name] = ways[name]()
        found["seconds"][name] = time.perf_counter() - started
    return found


def measure(case: str, asked: Any) -> list[dict[str, Any]]:
    """`pairs` blocks, each in the other order than the last."""
    model_folder(case, asked.scratch)
    given = ("--cases", case, "--scratch", str(asked.scratch))
    rounds = []
    for number in range(asked.pairs):
        rounds.append(block("bench_generation.py", "--block", ("forward", "backward")[number % 2], *given))
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in rounds[-1]["seconds"].items())
        print(f"{case:12} block {number}: {times} (load {load_average()})", flush=True)
    return rounds


def ratios(rounds: Sequence[dict[str, Any]], slow: str, fast: str) -> list[float]:
    return [one["seconds"][slow] / one["seconds"][fast] for one in rounds]


def changed(rounds: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many texts each way wrote otherwise than the engine one by one."""
    texts = rounds[0]["texts"]
    return {way: sum(texts[way][name] != text for name, text in texts["engine 1"].items()) for way in texts}


def summarise(case: str, rounds: Sequence[dict[str, Any]], limit: float) -> bool:
    """Print the figures of a case; return whether it is within the limits."""
    for way in rounds[0]["seconds"]:
        print(f"{case:12} {way:10} {spread([one['seconds'][way] for one in rounds])} s")
    middle = {}
    for size in SIZES[1:]:
        for way in ("engine", "loop"):
            found = ratios(rounds, f"{way} 1", f"{way} {size}")
            middle[way, size] = sorted(found)[len(found) // 2]
            print(f"{case:12} {way:6} {size:2} at a time / one by one: {spread(found)}")
        print(f"{case:12} engine / loop at {size}: {spread(ratios(rounds, f'loop {size}', f'engine {size}'))}")
    other = {way: number for way, number in changed(rounds).items() if number}
    print(f"{case:12} texts other than one by one: {other or 'none'} of {PROMPTS}", flush=True)
    return middle["engine", 8] >= limit and not other


def main() -> None:
    parser = arguments(__doc__ or "", list(CASES))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--limit", type=float, default=4.0)
    asked = parser.parse_args()
    if asked.block:
        case = asked.cases[0]
        report(one_block(case, str(model_folder(case, asked.scratch)), asked.block == "forward"))
        return
    good = [summarise(case, measure(case, asked), asked.limit) for case in asked.cases]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
