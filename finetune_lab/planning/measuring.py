"""Measure instead of reckoning: the longest batch and a few usual ones, through the training itself, in a process of
its own, so that a lack of memory ends that process and not this one.
"""

import logging
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune_lab.planning.lengths import Passes, evaluation_passes, updates
from finetune_lab.planning.outline import Outline
from finetune_lab.planning.timing import Timed
from finetune_lab.protocols import Job
from finetune_lab.records import Decoding, Sample

_LONGEST_STEPS = 2  # the optimizer's state is there from the second on
_ENDED_BY_THE_SYSTEM = -9


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the other process is to do: `longest` are the rows of one update, `usual` those of a few.

    `scores`: whether evaluators will ask for passes; `decoding`: and for answers.
    """

    model: Any
    method: Any
    runtime: Any
    seed: int
    longest: tuple[Sample, ...]
    usual: tuple[Sample, ...]
    num_usual: int
    validation: tuple[Sample, ...]
    scores: bool
    decoding: Decoding | None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What it found. Bytes above the level after imports (on CUDA: allocated); `failure`: why there is nothing else."""

    failure: str | None = None
    peak_bytes: int = 0
    loaded_bytes: int = 0
    timed: tuple[Timed, ...] = ()
    evaluation_seconds_per_cell: float = 0.0
    scoring_seconds_per_token: float = 0.0
    writing_seconds_per_step: float = 0.0


def chosen_rows(
    lengths: Sequence[int], outline: Outline, *, seed: int, num_usual: int
) -> tuple[list[Passes], Passes, list[Passes]]:
    """All updates of the training, the one with the largest pass, and some at even distances by size."""
    steps = outline.num_steps(len(lengths))
    every = updates(
        lengths, batch_size=outline.batch_size, accumulation=outline.accumulation, num_steps=steps, seed=seed
    )
    ranked = sorted(every, key=lambda one: sum(one.cells))
    count = min(num_usual, len(ranked))
    usual = [ranked[int((place + 0.5) * len(ranked) / count)] for place in range(count)]
    return every, max(every, key=lambda one: max(one.cells)), usual


def measure(request: Request) -> Measured:
    """Run the request in a fresh process and wait for it."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(request, sending))
    child.start()
    sending.close()
    try:
        found: Measured = receiving.recv()
    except EOFError:
        child.join()
        ended = child.exitcode == _ENDED_BY_THE_SYSTEM
        why = "killed, as the system does when memory runs out" if ended else f"exit code {child.exitcode}"
        return Measured(failure=why)
    finally:
        child.join()
    return found


def _answer(request: Request, sending: Any) -> None:
    warnings.simplefilter("ignore")  # what a run says stays with the run
    logging.getLogger().setLevel(logging.ERROR)
    try:
        found = rehearse(request)
    except Exception as error:  # told to whoever asked, who shows it; nothing here goes on
        found = Measured(failure=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    sending.send(found)
    sending.close()


def rehearse(request: Request) -> Measured:
    """Load, train on the longest batch, then on usual ones, score and write a little; all in this process."""
    import_all(request.model.quantization)
    from finetune_lab.training.memory import PeakMemory

    memory = PeakMemory(request.runtime.resolved_device())
    engine = request.model.load(request.runtime)
    loaded = memory.read()
    with tempfile.TemporaryDirectory(prefix="finetune_lab_plan_") as scratch:
        place = Path(scratch)
        longest = _trained(request, engine, place / "longest", request.longest, _LONGEST_STEPS)
        peak = max(loaded, memory.read())
        usual = _trained(request, engine, place / "usual", request.usual, request.num_usual + 1)
    scoring, writing = _inferred(request, engine) if request.scores else (0.0, 0.0)
    return Measured(
        peak_bytes=peak,
        loaded_bytes=loaded,
        timed=(*longest.timed, *usual.timed),
        evaluation_seconds_per_cell=longest.evaluation_seconds / max(1, longest.evaluation_cells),
        scoring_seconds_per_token=scoring,
        writing_seconds_per_step=writing,
    )


def import_all(quantization: str) -> None:
    """What every training imports, so that memory is counted from there on."""
    import accelerate  # noqa: F401
    import peft  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer  # noqa: F401

    import finetune_lab.inference.loading
    import finetune_lab.training.finetune  # noqa: F401

    if quantization != "none":
        import bitsandbytes  # noqa: F401


@dataclass(frozen=True, kw_only=True)
class _Rehearsed:
    timed: tuple[Timed, ...]
    evaluation_seconds: float
    evaluation_cells: int


def _trained(request: Request, engine: Any, folder: Path, rows: tuple[Sample, ...], num_steps: int) -> _Rehearsed:
    """A few steps through the method's own training; the first is not timed."""
    folder.mkdir()
    clock: list[tuple[int, float, float]] = []

    def listen(step: int, metrics: Any) -> None:
        clock.append((step, time.perf_counter(), time.process_time()))

    request.method.rehearsal(num_steps).train(
        Job(
            model=lambda: engine,
            source=request.model,
            train=rows,
            validation=request.validation,
            folder=folder,
            seed=request.seed,
            runtime=replace(request.runtime, log_every_steps=1, progress="off"),
            listen=listen,
        )
    )
    outline: Outline = request.method.outline()
    lengths = [len(engine.chat.conversation(row).ids) for row in rows]
    ran = updates(
        lengths,
        batch_size=outline.batch_size,
        accumulation=outline.accumulation,
        num_steps=num_steps,
        seed=request.seed,
    )
    return _told(clock, ran, [len(engine.chat.conversation(row).ids) for row in request.validation], outline)


def _told(
    clock: Sequence[tuple[int, float, float]], ran: Sequence[Passes], validation: Sequence[int], outline: Outline
) -> _Rehearsed:
    """From the moments at which the trainer spoke to what each update took; the last word is the evaluation's."""
    first = {step: (wall, busy) for step, wall, busy in reversed(clock)}
    timed = tuple(
        Timed(
            cells=sum(ran[step - 1].cells),
            seconds=first[step][0] - first[step - 1][0],
            processor_seconds=first[step][1] - first[step - 1][1],
        )
        for step in sorted(first)
        if step - 1 in first
    )
    last = len(ran)
    spoken = [wall for step, wall, _ in clock if step == last]
    passes = evaluation_passes(validation, outline.evaluation_batch_size)
    cells = sum(len(rows) * max(validation[row] for row in rows) for rows in passes)
    return _Rehearsed(timed=timed, evaluation_seconds=spoken[-1] - spoken[0], evaluation_cells=cells)


def _inferred(request: Request, engine: Any) -> tuple[float, float]:
    """Seconds of scoring one token, and of one step of writing in a batch of these rows."""
    rows = [engine.chat.conversation(row) for row in request.validation]
    scoring = _seconds(lambda: engine.nll(rows)) / max(1, sum(len(row.ids) for row in rows))
    if request.decoding is None:
        return scoring, 0.0
    prompts = {row.id: row.prompt for row in request.validation if row.prompt}
    few = replace(request.decoding, max_new_tokens=min(8, request.decoding.max_new_tokens), temperature=0.0)
    writing = _seconds(lambda: list(engine.generate(prompts, few))) / few.max_new_tokens if prompts else 0.0
    return scoring, writing


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
