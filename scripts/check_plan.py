"""Check what task=plan foretells: memory and time by arithmetic and by measuring, beside trainings that really ran.

    python scripts/check_plan.py                      # three lengths, two batch sizes, plain weights, AdamW
    python scripts/check_plan.py --method grit --quantization nf4 --lengths 96 --rows 2

Makes a Llama of 100 million random parameters in a folder that vanishes. Every measurement and every training is a
process of its own, forked from one that has imported everything and computed nothing, so that all begin at the same
level; memory is the peak above it, as training/memory.py counts. Times are compared by processor seconds: on a busy
machine the clock on the wall tells about the others.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
TINY = ROOT / "finetune_lab" / "assets" / "tiny"
WORDS = ("the", "red", "house", "stands", "by", "an", "old", "river", "where", "many", "people", "buy", "bread")
NUM_ROWS = 40


@dataclass(frozen=True, kw_only=True)
class Case:
    """One training: the longest row in tokens, rows of a pass, and how it learns."""

    length: int
    rows: int
    method: str
    quantization: str
    checkpointing: str
    threads: int


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a training really took: bytes above the imports, processor seconds of all its steps but the first."""

    peak_bytes: int
    loaded_bytes: int
    processor_seconds: float
    cells: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """A case with what was foretold and what came."""

    case: Case
    arithmetic_bytes: int
    moment: str
    measured_bytes: int
    real_bytes: int
    measured_seconds: float
    real_seconds: float


def main() -> None:
    """Print a table of ratios; exit code 1 if one is outside its bounds."""
    asked = _arguments()
    _import_all()
    with tempfile.TemporaryDirectory(prefix="check_plan_") as scratch:
        place = Path(scratch)
        _in_a_process(_make_model, place / "model")
        rows = []
        for length in asked.lengths:
            _in_a_process(_make_rows, place / "model", place / f"rows{length}.jsonl", length)
            for batch in asked.rows:
                case = Case(
                    length=length,
                    rows=batch,
                    method=asked.method,
                    quantization=asked.quantization,
                    checkpointing=asked.checkpointing,
                    threads=asked.threads,
                )
                rows.append(_row(place, case, asked.steps, asked.usual))
                print(_line(rows[-1]), flush=True)
    print(json.dumps([asdict(row) for row in rows]))
    raise SystemExit(0 if all(_holds(row) for row in rows) else 1)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 96, 224])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--usual", type=int, default=4, help="updates that are timed beside the longest")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--method", default="lora", help="a YAML of conf/method")
    parser.add_argument("--quantization", choices=("none", "nf4", "int8"), default="none")
    parser.add_argument("--checkpointing", choices=("on", "off"), default="off")
    return parser.parse_args()


def _import_all() -> None:
    """Import, and compute nothing: a process with threads at work cannot be forked."""
    from finetune_lab.__main__ import lab_of  # noqa: F401
    from finetune_lab.planning.measuring import import_all

    import_all("nf4")


def _in_a_process(work: Callable[..., Any], *given: Any) -> Any:
    """What `work` gives in a forked process."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sending.send(work(*given)))
    child.start()
    sending.close()
    try:
        return receiving.recv()
    finally:
        child.join()


def _row(place: Path, case: Case, steps: int, num_usual: int) -> Row:
    arithmetic, measured, total = _in_a_process(_foretold, place, case, steps, num_usual)
    ran: Ran = _in_a_process(_trained, place, case, steps)
    if measured.failure:
        raise SystemExit(f"{case}: {measured.failure}")
    return Row(
        case=case,
        arithmetic_bytes=arithmetic.total,
        moment=arithmetic.moment,
        measured_bytes=measured.peak_bytes,
        real_bytes=ran.peak_bytes,
        measured_seconds=total,
        real_seconds=ran.processor_seconds,
    )


def _line(row: Row) -> str:
    case, real = row.case, row.real_bytes
    return (
        f"{case.method} {case.quantization} length {case.length:4} rows {case.rows}: really {real / 1e6:6.0f} MB; "
        f"arithmetic {row.arithmetic_bytes / real:.2f} ({row.moment}), measured {row.measured_bytes / real:.3f}; "
        f"processor time {row.measured_seconds / row.real_seconds:.2f} of {row.real_seconds:.0f} s"
    )


def _holds(row: Row) -> bool:
    bounds = (
        (row.arithmetic_bytes / row.real_bytes, 0.25),
        (row.measured_bytes / row.real_bytes, 0.10),
        (row.measured_seconds / row.real_seconds, 0.25),
    )
    return all(abs(ratio - 1) <= bound for ratio, bound in bounds)


# what runs in processes of their own


def _make_model(folder: Path) -> None:
    """A Llama of 100.1 million random parameters under the tokenizer of the embedded model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"vocab_size": 32_000, "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12}
    heads = {"num_attention_heads": 12, "num_key_value_heads": 4, "max_position_embeddings": 4096}
    config = LlamaConfig(**sizes, **heads, tie_word_embeddings=True, bos_token_id=0, eos_token_id=6, pad_token_id=2)
    LlamaForCausalLM(config).save_pretrained(folder)
    for path in [*TINY.glob("*token*"), *TINY.glob("*.jinja")]:
        shutil.copy(path, folder)


def _make_rows(model: Path, path: Path, longest: int) -> None:
    """Conversations between a third of `longest` tokens and all of it, one in eight as long as that."""
    from finetune_lab.inference.checkpoint import Checkpoint
    from finetune_lab.inference.loading import load_chat
    from finetune_lab.records import Sample

    chat, drawn = load_chat(Checkpoint(source=str(model))), random.Random(longest)
    with path.open("w", encoding="utf-8") as stream:
        for number in range(NUM_ROWS):
            wanted = longest if number % 8 == 0 else round(drawn.uniform(longest / 3, longest))
            said: list[str] = []
            turns = _turns(said)
            while len(chat.conversation(Sample.of(messages=_turns([*said, "the"]))).ids) <= wanted:
                said.append(drawn.choice(WORDS))
                turns = _turns(said)
            stream.write(json.dumps({"messages": turns}) + "\n")


def _turns(said: Sequence[str]) -> list[dict[str, str]]:
    return [{"role": "user", "content": "Tell me."}, {"role": "assistant", "content": " ".join(said) or "No."}]


def _lab(place: Path, case: Case, steps: int) -> tuple[Any, Any]:
    from finetune_lab.__main__ import lab_of

    return lab_of(
        [
            *("task=plan", "model=local", f"model.path={place / 'model'}", f"model.quantization={case.quantization}"),
            *("data=jsonl", f"data.path={place / f'rows{case.length}.jsonl'}", f"outputs={place / 'outputs'}"),
            *(f"method={case.method}", "method.requires=null", f"method.max_steps={steps}", "method.epochs=99"),
            *(f"method.batch_size={case.rows}", "method.accumulation=1", f"method.evaluate_every={steps}"),
            *("data.split.train=0.75", "data.split.validation=0.2", "data.split.test=0.05", "eval=[]"),
            *("tracker=none", "runtime.device=cpu", f"runtime.gradient_checkpointing={case.checkpointing}"),
            *("runtime.progress=off", f"runtime.threads={case.threads}"),
        ]
    )


def _foretold(place: Path, case: Case, steps: int, num_usual: int) -> tuple[Any, Any, float]:
    """Arithmetic, measurement, and the processor seconds of all steps but the first that follow from it."""
    from finetune_lab.planning.measuring import rehearse
    from finetune_lab.planning.timing import pace
    from finetune_lab.task.plan_ready import prepared

    lab, task = _lab(place, case, steps)
    ready = prepared(lab, task.device.room(lab.runtime), num_usual)
    assert ready.request is not None
    measured = rehearse(ready.request)
    found = pace([one.cells for one in measured.timed], [one.processor_seconds for one in measured.timed])
    assert ready.foreseen is not None
    return ready.foreseen.memory, measured, found.seconds(ready.updates[1:])


def _trained(place: Path, case: Case, steps: int) -> Ran:
    """The training itself, with the model loaded inside what is counted."""
    from finetune_lab.protocols import Job
    from finetune_lab.training.memory import PeakMemory

    lab, _ = _lab(place, case, steps)
    rows = {name: lab.split(name) for name in ("train", "validation")}
    memory = PeakMemory("cpu")
    engine = lab.language_model
    loaded = memory.read()
    clock: dict[int, float] = {}
    folder = place / f"run{time.time_ns()}"
    folder.mkdir()
    report = lab.method.train(
        Job(
            model=lambda: engine,
            source=lab.model,
            **rows,
            folder=folder,
            seed=lab.seed,
            runtime=replace(lab.runtime, log_every_steps=1),
            listen=lambda step, _: clock.setdefault(step, time.process_time()),
        )
    )
    peak = max(loaded, memory.read())
    shutil.rmtree(folder)
    return Ran(
        peak_bytes=peak,
        loaded_bytes=loaded,
        processor_seconds=clock[steps] - clock[1],
        cells=report.num_input_tokens,
    )


if __name__ == "__main__":
    main()
