"""One training of the study of GRIT: composed from configs, trained by the method itself, scored, kept as a folder."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

from scripts.bench_parts import composed
from scripts.study_arms import ARMS, SHARED, TASKS

REVISION = 1  # bump when the same line starts to mean another number
NUM_CURVE_ROWS, NUM_CURVE_POINTS = 10, 6  # validation rows behind each point of a loss curve
NUM_FORGETTING_POINTS = 15
NUM_BASE_DOCUMENTS, BASE_SEED = 32, 21  # held-out text of the embedded model (scripts/pretrain_tiny.py)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training. `stage`: search has no look at the test rows; final has, with a loss curve; forgetting has a curve
    of the loss on base text beside that.
    """

    stage: str
    task: str
    arm: str
    rate: float
    seed: int
    steps: int

    @property
    def name(self) -> str:
        return f"{self.stage}-{self.task}-{self.arm}-{self.rate:.3g}-{self.seed}-{self.steps}"

    @property
    def overrides(self) -> tuple[str, ...]:
        """The command line."""
        arm, task = ARMS[self.arm], TASKS[self.task]
        return (*SHARED, *task.overrides(self.steps), *arm.overrides(self.rate), f"seed={self.seed}")


@dataclass
class Watch:
    """An objective that is encoded once in a process, and whose trainer is watched: time of the loop, loss curve."""

    objective: Any
    every: int
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)
    base_curve: list[tuple[int, float]] = field(default_factory=list)
    base_rows: list[Any] = field(default_factory=list)  # where there are none, base text is not looked at
    rows: list[Any] = field(default_factory=list)

    def encode(self, setting: Any) -> Any:
        key = (self.objective, tuple(row.id for row in setting.train), id(setting.chat))
        if key not in _ENCODED:
            _ENCODED[key] = self.objective.encode(setting)
        encoded = _ENCODED[key]
        self.rows = sorted(encoded.validation[:NUM_CURVE_ROWS], key=lambda row: len(row.ids))
        return replace(encoded, validation=encoded.validation[:2])  # the trainer's own scoring is not what is read

    def trainer(self, model: Any, *positional: Any, callbacks: list[Any], **named: Any) -> Any:
        return self.objective.trainer(model, *positional, callbacks=[*callbacks, self._callback(model)], **named)

    def _callback(self, model: Any) -> Any:
        from transformers import TrainerCallback

        watch = self

        class Callback(TrainerCallback):
            def on_step_begin(self, *_: Any, **__: Any) -> None:
                self.began = time.perf_counter(), time.process_time()

            def on_step_end(self, _arguments: Any, state: Any, *_: Any, **__: Any) -> None:
                watch.seconds.append(time.perf_counter() - self.began[0])
                watch.processor.append(time.process_time() - self.began[1])
                if watch.every and state.global_step % watch.every == 0:
                    watch.curve.append((state.global_step, mean_loss(model, watch.rows)))
                    if watch.base_rows:
                        watch.base_curve.append((state.global_step, mean_loss(model, watch.base_rows)))

        return Callback()


_ENCODED: dict[Any, Any] = {}


def mean_loss(model: Any, rows: list[Any], batch: int = 8) -> float:
    """Nats per target token in evaluation mode; draws no random number, so that the training does not notice."""
    import torch

    from finetune_lab.training.rows import IGNORED, collate

    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for start in range(0, len(rows), batch):
            given = collate(rows[start : start + batch])
            num = int((given["labels"] != IGNORED).sum())
            total, count = total + float(model(**given).loss) * num, count + num
    model.train()
    return total / count


@cache
def _built(overrides: tuple[str, ...]) -> Any:
    from finetune_lab.config import build

    return build(composed(*overrides), "model", "data", "method", "runtime")


@cache
def _engine(overrides: tuple[str, ...]) -> Any:
    source, _, _, runtime = _built(overrides)
    return source.load(runtime)


@cache
def _splits(task: str, overrides: tuple[str, ...], outputs: Path) -> dict[str, Any]:
    """The prepared rows of a task that fit its length, cut to its numbers; prepared once, read once a process."""
    from finetune_lab.fingerprint import fingerprint
    from finetune_lab.once import once
    from finetune_lab.preparing.pipeline import read_split

    _, data, _, _ = _built(overrides)
    folder = outputs / "data" / f"{task}-{fingerprint(data)}"
    once(folder, data.prepare)
    sizes, chat = TASKS[task], _engine(SHARED).chat
    wanted = {"train": sizes.num_train, "validation": sizes.num_validation, "test": sizes.num_test}
    return {name: _fitting(chat, read_split(folder, name), sizes.max_length, num) for name, num in wanted.items()}


def _fitting(chat: Any, samples: Any, max_length: int, num: int) -> tuple[Any, ...]:
    found: list[Any] = []
    for sample in samples:
        if len(found) == num:
            break
        if len(chat.conversation(sample).ids) <= max_length:
            found.append(sample)
    return tuple(found)


@cache
def _base_rows() -> tuple[Any, ...]:
    """Text of the embedded model's own world that it has not seen: what it might forget."""
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from tiny_world import documents

    from finetune_lab.records import Sample

    chat = _engine(SHARED).chat
    return tuple(chat.document(Sample.of(text=text)) for text in documents(BASE_SEED, NUM_BASE_DOCUMENTS))


def columns(engine: Any, rows: Any) -> dict[str, Any]:
    """Samples, sums of nats and numbers of tokens, row by row."""
    found = engine.nll(rows)
    return {
        "samples": [one.sample for one in found],
        "nats": [one.sum_nats if isfinite(one.sum_nats) else None for one in found],
        "tokens": [one.num_tokens for one in found],
    }


def loss_of(scored: dict[str, Any]) -> float | None:
    """Nats per token of columns; None where a row is not finite."""
    return None if None in scored["nats"] else sum(scored["nats"]) / sum(scored["tokens"])


def key_of(run: Run) -> str:
    """What the run is: the model, the data, the method with all its knobs, the seed, and how it is scored."""
    from finetune_lab.fingerprint import fingerprint

    source, data, method, runtime = _built(run.overrides)
    sizes = TASKS[run.task]
    cut = [sizes.max_length, sizes.num_train, sizes.num_validation, sizes.num_test]
    return fingerprint(source, runtime.precision(source.precision), data, method, run.seed, run.stage, cut, REVISION)


def do(run: Run, outputs: Path) -> dict[str, Any]:
    """The note of a run: found, or made now."""
    from finetune_lab.once import once

    return once(outputs / "runs" / f"{run.name}-{key_of(run)}", lambda folder: _train(run, folder, outputs))


def _train(run: Run, folder: Path, outputs: Path) -> dict[str, Any]:
    import shutil

    from finetune_lab.protocols import Job

    started = time.monotonic()
    source, _, method, runtime = _built(run.overrides)
    engine = _engine(SHARED)
    rows = _splits(run.task, (*SHARED, *TASKS[run.task].overrides(1)), outputs)
    watch = Watch(method.objective, every=max(1, run.steps // NUM_CURVE_POINTS) if run.stage != "search" else 0)
    if run.stage == "forgetting":
        watch.base_rows, watch.every = list(_base_rows()), max(1, run.steps // NUM_FORGETTING_POINTS)
    job = Job(
        model=lambda: engine,
        source=source,
        train=rows["train"],
        validation=rows["validation"],
        folder=folder,
        seed=run.seed,
        runtime=runtime,
        listen=lambda step, metrics: None,
    )
    for name in ("checkpoints", "segments"):  # a run is short: one that was killed begins again
        shutil.rmtree(folder / name, ignore_errors=True)
    report = replace(method, objective=watch).train(job)
    with method.apply(engine, folder) as tuned:
        scored = {"validation": columns(tuned, [engine.chat.conversation(one) for one in rows["validation"]])}
        if run.stage != "search":
            scored["test"] = columns(tuned, [engine.chat.conversation(one) for one in rows["test"]])
            scored["base_text"] = columns(tuned, list(_base_rows()))
    for name in ("checkpoints", "segments", "adapter"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return {
        "kind": "study",
        "run": asdict(run),
        "line": list(run.overrides),
        "scored": scored,
        "loss": {name: loss_of(found) for name, found in scored.items()},
        "curve": watch.curve,
        "base_curve": watch.base_curve,
        "loop_seconds": sum(watch.seconds),
        "processor_seconds": sum(watch.processor),
        "steps": report.num_steps,
        "target_tokens": report.num_target_tokens,
        "input_tokens": report.num_input_tokens,
        "final_training_loss": report.final_training_loss,
        "total_seconds": time.monotonic() - started,
    }
