"""Hidden states of 256 prompts in all layers, beside the same batches through the bare model.

Blocks take turns in processes of their own, as the machine is never quite still; a ratio is taken within a round.

    python scripts/bench_hidden.py --rounds 5
    python scripts/bench_hidden.py --memory      # the peak for more and more prompts, pooled and unpooled
"""

import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.bench_parts import arguments, block, composed, load_average, model_folder, report, spread  # noqa: E402

PAIRS = ROOT / "finetune_lab" / "assets" / "safety_pairs" / "rows.jsonl"
CASES = ("tiny", "random20m")
NUM_PROMPTS = 256
REPEATS = 5
ALLOWED_RATIO = 1.15
MANY = (256, 1024, 4096)


def engine_of(folder: Path) -> Any:
    """The model as evaluators get it, in float32 on the CPU."""
    from finetune_lab.config import build

    config = composed(
        "model=local",
        f"model.path='{folder}'",
        "model.quantization=none",
        "runtime.device=cpu",
        "runtime.inference_batch_rows=32",
        "runtime.inference_batch_tokens=32768",
        "tracker=none",
    )
    source, runtime = build(config, "model", "runtime")
    return source.load(runtime)


def prompts(num: int) -> dict[str, list[dict[str, str]]]:
    """The embedded pairs; more than there are of them by adding a number."""
    rows = [json.loads(line)["prompt"] for line in PAIRS.read_text(encoding="utf-8").splitlines()]
    return {str(n): [{"role": "user", "content": f"{rows[n % len(rows)]} ({n})"}] for n in range(num)}


def bare_pass(engine: Any, asked: dict[str, list[dict[str, str]]]) -> Callable[[], None]:
    """The same tokens in the same batches through the model without its head, and nothing kept."""
    import torch

    from finetune_lab.inference.batching import batches

    coded = [engine.chat.prompt(turns) for turns in asked.values()]
    inputs = []
    for group in batches([len(row) for row in coded], max_rows=32, max_tokens=32768):
        rows = [coded[number] for number in group]
        width = max(len(row) for row in rows)
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        inputs.append(ids)

    @torch.no_grad()
    def work() -> None:
        for ids in inputs:
            engine.module.get_decoder()(input_ids=ids, use_cache=False)

    return work


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(chosen: Any) -> None:
    """One block: bare passes, states, and states into a file, in turns; the median of each."""
    from finetune_lab.inference.states import write_states

    engine, asked = engine_of(model_folder(chosen.cases[0], chosen.scratch)), prompts(NUM_PROMPTS)
    bare = bare_pass(engine, asked)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "embeddings.safetensors"
        works: dict[str, Callable[[], Any]] = {
            "bare": bare,
            "hidden": lambda: engine.hidden(asked, "last"),
            "file": lambda: write_states(engine, asked, path, pooling="last", about=None),
        }
        for work in works.values():
            work()
        found: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(REPEATS):
            for name, work in works.items():
                found[name].append(seconds(work))
    report({name: statistics.median(values) for name, values in found.items()})


def peak(chosen: Any) -> None:
    """One block: how much the peak of the process grows while the states of `num` prompts are written."""
    import torch

    from finetune_lab.inference.states import write_states

    kind, num = chosen.block.split("-")[1:]
    engine, asked = engine_of(model_folder(chosen.cases[0], chosen.scratch)), prompts(int(num))
    bare_pass(engine, prompts(32))()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory(dir=chosen.scratch) as folder, torch.no_grad():
        if kind == "pooled":
            write_states(engine, asked, Path(folder) / "states", pooling="last", about=None)
        else:
            kept = [everything(engine, turns) for turns in asked.values()]
            assert len(kept) == len(asked)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report({"mebibytes": (after - before) / 1024})


def everything(engine: Any, turns: list[dict[str, str]]) -> Any:
    """What pooling spares: the states of all tokens in all layers."""
    import torch

    ids = torch.tensor([engine.chat.prompt(turns)])
    return engine.module.get_decoder()(input_ids=ids, output_hidden_states=True).hidden_states


def main() -> None:
    parser = arguments(__doc__ or "", CASES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    chosen = parser.parse_args()
    chosen.scratch.mkdir(parents=True, exist_ok=True)
    if chosen.block:
        (measure if chosen.block == "speed" else peak)(chosen)
        return
    print(f"load {load_average()}")
    for case in chosen.cases:
        model_folder(case, chosen.scratch)
        own = ["--cases", case, "--scratch", str(chosen.scratch)]
        if chosen.memory:
            for kind in ("pooled", "unpooled"):
                grown = [block("bench_hidden.py", *own, "--block", f"peak-{kind}-{num}")["mebibytes"] for num in MANY]
                told = ", ".join(f"{num}: {size:.1f} MiB" for num, size in zip(MANY, grown, strict=True))
                print(f"{case:10} {kind:9} peak above a bare batch, by prompts: {told}", flush=True)
            continue
        rounds = [block("bench_hidden.py", *own, "--block", "speed") for _ in range(chosen.rounds)]
        for name in ("hidden", "file"):
            ratios = [one[name] / one["bare"] for one in rounds]
            verdict = "ok" if statistics.median(ratios) <= ALLOWED_RATIO else f"over {ALLOWED_RATIO}"
            print(f"{case:10} {name:7} {spread(ratios)} times the bare passes: {verdict}", flush=True)
        print(f"{case:10} bare    {spread([one['bare'] for one in rounds], 3)} s for {NUM_PROMPTS} prompts", flush=True)


if __name__ == "__main__":
    main()
