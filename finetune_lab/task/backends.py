"""What is here to answer with, measured on this machine and set against the reference's texts."""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, PositiveInt, SkipValidation
from rich.console import Console

from finetune_lab.checks.hardware import hardware
from finetune_lab.comparison.backends import Timed, evaluation_of, table_of
from finetune_lab.errors import LabError, WorldError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.inference.trained import check_trained
from finetune_lab.lab import Lab
from finetune_lab.once import once, read_note, write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.records import Answer, Artifact, Decoding, Evaluation, Sample
from finetune_lab.store.folders import read_evaluation, write_evaluation
from finetune_lab.task.export import export_folder
from finetune_lab.training.memory import PeakMemory

log = logging.getLogger(__name__)
FILE = "backends.json"


@plugin
class Backends:
    """`backends`: choices of the group `backend` by name; one that is not here is told and left out.

    Every prompt is answered alone, to its first token and to its end; then all of them, `at_once` at a time.
    `gguf` is the export whose file llama.cpp reads. What was measured on a machine is kept until fresh=[eval].
    """

    backends: SkipValidation[Mapping[str, Any]]
    gguf: SkipValidation[Any]
    which: str
    rows: RowChoice
    max_new_tokens: PositiveInt
    at_once: PositiveInt
    warm_up: NonNegativeInt

    def execute(self, lab: Lab) -> None:
        artifact = lab.base if self.which == "base" else lab.artifact
        check_trained(artifact)
        rows = lab.rows(self)  # type: ignore[arg-type]
        reference = lab.answers(artifact, rows, Decoding(max_new_tokens=self.max_new_tokens))
        found: dict[str, Evaluation] = {}
        for name, backend in self.backends.items():
            try:
                backend.check()
                found[name] = self._kept(lab, artifact, name, rows, reference)
            except LabError as error:
                log.info("%-18s not measured: %s", name, error)
        if not found:
            raise WorldError("no backend could be measured; what each needs stands above")
        Console(highlight=False).print(table_of(found))
        place = lab.outputs / "reports" / lab.group / FILE
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, json.dumps(_report(artifact, found), indent=2))
        log.info("report    %s", place)

    def _kept(
        self, lab: Lab, artifact: Artifact, name: str, rows: Sequence[Sample], reference: Sequence[Answer]
    ) -> Evaluation:
        knobs = [self.max_new_tokens, self.at_once, self.warm_up, self.gguf, hardware()]
        measure = fingerprint(self.backends[name], knobs, [row.id for row in rows])
        folder = lab.outputs / "evals" / f"backend_{name}-{measure}" / artifact.key

        def make(place: Path) -> dict[str, Any]:
            started = time.monotonic()
            made = {"kind": "evaluation", "evaluator": f"backend_{name}", "measure": measure, "subject": artifact.key}
            load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
            timed = self._timed(lab, artifact, self.backends[name], rows)
            found = evaluation_of(rows, timed, {answer.sample: answer.text for answer in reference})
            counts = {**found.counts, "load_before": load, "of_machine": hardware()}
            written = write_evaluation(place, replace(found, counts=counts))
            return made | written | {"seconds": time.monotonic() - started}

        once(folder, make, fresh=lab.renews("eval", folder))
        lab.store.index_evaluation(folder)
        return read_evaluation(folder)

    def _timed(self, lab: Lab, artifact: Artifact, backend: Any, rows: Sequence[Sample]) -> Timed:
        decoding = Decoding(max_new_tokens=self.max_new_tokens)
        one = replace(decoding, max_new_tokens=1)
        prompts = {row.id: row.prompt for row in rows}
        memory = PeakMemory(lab.runtime.resolved_device())
        started = time.perf_counter()
        with backend.open(_served(lab, artifact, self.gguf), lab.runtime) as opened:
            load_seconds = time.perf_counter() - started
            for row in rows[: self.warm_up]:
                list(opened.generate({row.id: row.prompt}, decoding, at_once=1))
            first = {row.id: _clock(opened, {row.id: row.prompt}, one, 1)[0] for row in rows}
            alone = {row.id: _clock(opened, {row.id: row.prompt}, decoding, 1) for row in rows}
            together, _ = _clock(opened, prompts, decoding, self.at_once)
            return Timed(
                load_seconds=load_seconds,
                first_seconds=first,
                whole_seconds={name: seconds for name, (seconds, _) in alone.items()},
                answers={name: answers[0] for name, (_, answers) in alone.items()},
                together_seconds=together,
                at_once=self.at_once,
                peak_bytes=memory.read() if opened.local else None,
            )


@dataclass(frozen=True)
class _Loading:
    """The model of a lab loaded once more, as `artifact` makes it."""

    lab: Lab
    artifact: Artifact

    @contextmanager
    def __call__(self) -> Iterator[Any]:
        model: Any = self.lab.model.load(self.lab.runtime)
        maker = self.artifact.maker
        using: AbstractContextManager[Any] = maker.apply(model, self.artifact.place) if maker else model.as_base()
        with using as made:
            yield made


def _served(lab: Lab, artifact: Artifact, form: Any) -> Any:
    from finetune_lab.inference.backends import Served

    def gguf() -> Path:
        folder = export_folder(lab, form)
        if artifact.folder is None or read_note(folder) is None:
            raise WorldError(
                f"there is no GGUF file at {folder}; run the same line with task=export export@task.format=gguf, "
                "or name one in the field `file` of the backend that reads it"
            )
        return next(folder.glob("*.gguf"))

    return Served(load=_Loading(lab, artifact), chat=lab.model.chat, gguf=gguf)


def _clock(opened: Any, prompts: Any, decoding: Decoding, at_once: int) -> tuple[float, list[Answer]]:
    started = time.perf_counter()
    answers = list(opened.generate(prompts, decoding, at_once=at_once))
    return time.perf_counter() - started, answers


def _report(artifact: Artifact, found: Mapping[str, Evaluation]) -> dict[str, Any]:
    measured = {
        name: {score.name: score.value for score in one.scores} | dict(one.counts) for name, one in found.items()
    }
    return {"artifact": artifact.key, "label": artifact.label, "backends": measured}
