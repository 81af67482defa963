"""Scores of artifacts, kept under the measure that they were made by: alone, or one artifact against another."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from typing_extensions import TypeIs

from finetune_lab.checks.hardware import hardware
from finetune_lab.errors import ConfigError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.once import once
from finetune_lab.protocols import Contrast, Evaluator, LanguageModel, ModelSource, Subject
from finetune_lab.records import Answer, Artifact, Decoding, Evaluation, Sample
from finetune_lab.store.folders import read_evaluation, write_evaluation
from finetune_lab.store.references import Reference, find_reference
from finetune_lab.store.store import Store


class Stages(Protocol):
    """What scoring needs of a lab."""

    @property
    def model(self) -> ModelSource: ...
    @property
    def evaluators(self) -> Mapping[str, Evaluator | Contrast]: ...
    @property
    def base(self) -> Artifact: ...
    @property
    def store(self) -> Store: ...
    @property
    def outputs(self) -> Path: ...
    @property
    def group(self) -> str: ...
    @property
    def seed(self) -> int: ...
    def rows(self, evaluator: Any) -> tuple[Sample, ...]: ...
    def using(self, artifact: Artifact) -> AbstractContextManager[LanguageModel]: ...
    def answers(self, artifact: Artifact, rows: tuple[Sample, ...], decoding: Decoding) -> tuple[Answer, ...]: ...
    def ask(self, client: Any, questions: Sequence[Any]) -> Any: ...
    def renews(self, stage: Any, folder: Path) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """The evaluators of a lab at work. An evaluator with the verb `contrast` sees two artifacts at once."""

    lab: Stages

    @cached_property
    def measures(self) -> dict[str, str]:
        """The key of each evaluator with the rows it scores: two scores may be compared only if it is the same."""
        return {name: self._measure(name) for name in self.lab.evaluators}

    def _measure(self, name: str) -> str:
        evaluator = self.lab.evaluators[name]
        tokenizer = self.lab.model.tokenizer_digest() if evaluator.counts_tokens else None
        parts = [evaluator, [row.id for row in self.lab.rows(evaluator)], tokenizer]
        if is_contrast(evaluator):
            parts += [self._reference(name).arm, [self._measure(other) for other in self._read(name)]]
        return fingerprint(*parts)

    def _read(self, name: str) -> tuple[str, ...]:
        """The evaluators whose findings a contrast reads. Raises ConfigError for one that is not of this line."""
        reads = self._contrast(name).reads
        missing = [other for other in reads if other not in self.lab.evaluators]
        if missing:
            whole = ",".join([*missing, *self.lab.evaluators])
            raise ConfigError(f"eval.{name} reads what {missing[0]} found; choose it as well: eval=[{whole}]")
        return reads

    def _contrast(self, name: str) -> Contrast:
        evaluator = self.lab.evaluators[name]
        assert is_contrast(evaluator)
        return evaluator

    def _reference(self, name: str) -> Reference:
        return self.named(self._contrast(name).reference, f"eval.{name}.reference")

    def named(self, wanted: str, asker: str) -> Reference:
        """The artifact that the field `asker` names: base, the label of an arm of the group, or the key of a run."""
        if wanted == "base":
            return Reference(artifact=self.lab.base, arm=self.lab.base.key)
        return find_reference(self.lab.outputs, self.lab.group, wanted, self.lab.seed, asker)

    def of(self, artifact: Artifact) -> Iterator[str]:
        """The evaluators that score `artifact`, contrasts last: nothing is set against itself, and no base at all."""
        evaluators = self.lab.evaluators
        yield from (name for name, evaluator in evaluators.items() if not is_contrast(evaluator))
        if artifact.key == self.lab.base.key:
            return
        for name, evaluator in evaluators.items():
            if is_contrast(evaluator) and self._reference(name).artifact.key != artifact.key:
                yield name

    def folder(self, name: str, artifact: Artifact) -> Path:
        """Where the evaluation of an artifact is, or will be."""
        return self.lab.outputs / "evals" / f"{name}-{self.measures[name]}" / artifact.key

    def evaluate(self, name: str, artifact: Artifact) -> Evaluation:
        """What an evaluator finds on an artifact: made once."""
        folder = self.folder(name, artifact)

        def make(place: Path) -> dict[str, Any]:
            made = {"kind": "evaluation", "evaluator": name, "measure": self.measures[name], "subject": artifact.key}
            made["hardware"] = hardware()
            if is_contrast(self.lab.evaluators[name]):
                made["reference"] = self._reference(name).artifact.key
            started = time.monotonic()
            evaluation = self._score(name, artifact, place)
            return made | write_evaluation(place, evaluation) | {"seconds": time.monotonic() - started}

        once(folder, make, fresh=self.lab.renews("eval", folder))
        self.lab.store.index_evaluation(folder)
        return read_evaluation(folder)

    def _score(self, name: str, artifact: Artifact, folder: Path) -> Evaluation:
        evaluator = self.lab.evaluators[name]
        rows = self.lab.rows(evaluator)
        if not rows:
            raise ConfigError(f"eval.{name}: split {evaluator.rows.split!r} has no rows to score")
        with ExitStack() as stack:
            candidate = self._subject(artifact, rows, folder, stack)
            if is_contrast(evaluator):
                reference = self._reference(name).artifact
                return evaluator.contrast(self._subject(reference, rows, folder, stack), candidate)
            return evaluator.evaluate(candidate)

    def _subject(self, artifact: Artifact, rows: tuple[Sample, ...], folder: Path, stack: ExitStack) -> Subject:
        def evaluation(name: str) -> Path:
            self.evaluate(name, artifact)
            return self.folder(name, artifact)

        return Subject(
            artifact=artifact,
            rows=rows,
            folder=folder,
            model=lambda: stack.enter_context(self.lab.using(artifact)),
            answers=lambda decoding: self.lab.answers(artifact, rows, decoding),
            evaluation=evaluation,
            ask=self.lab.ask,
        )


def is_contrast(evaluator: Evaluator | Contrast) -> TypeIs[Contrast]:
    """Whether an evaluator looks at two artifacts at once."""
    return hasattr(evaluator, "contrast")
