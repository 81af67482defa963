"""Whether answers are JSON of the schema that is due, and where they fail."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import PositiveFloat

from finetune_lab.errors import ConfigError
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Subject
from finetune_lab.records import Answer, Decoding, Evaluation, Sample, Score, Statistic
from finetune_lab.text.schema_check import (
    SchemaProblem,
    SchemaSet,
    Verdict,
    check,
    compile_plain,
    compile_schemas,
)

ASSETS = Path(__file__).resolve().parent.parent / "assets"
_MOST_FREQUENT = 10
_UNPARSED = ("empty", "extract", "parse")


def _unless_timeout(verdict: Verdict, holds: bool) -> float | None:
    return None if verdict.stage == "timeout" else float(holds)


# What an answer has reached, from the strictest down; an answer that could not be checked in time is unscored.
_REACHED: dict[str, Callable[[Verdict], float | None]] = {
    "request_met": lambda verdict: _unless_timeout(verdict, verdict.stage == "valid"),
    "schema_valid": lambda verdict: _unless_timeout(verdict, verdict.stage in ("request", "valid")),
    "json_parsed": lambda verdict: float(verdict.stage not in _UNPARSED),
}


@plugin
class SchemaValidity:
    """`schemas` names a folder with envelope.json and one file per payload type (or one of the package's own);
    null: no schema but that of the row. `overlay` is the fact of a row that holds what this request asks: schema_valid
    is the share that meets the schemas, request_met the share that does what was asked as well.
    """

    counts_tokens: ClassVar[bool] = False
    rows: RowChoice
    decoding: Decoding
    schemas: str | None
    overlay: str | None
    limit_seconds: PositiveFloat

    def identity(self) -> dict[str, Any]:
        """The schemas' content, not their place."""
        texts = {path.name: path.read_text() for path in sorted(self._folder().glob("*.json"))} if self.schemas else {}
        return {"decoding": self.decoding, "schemas": texts, "overlay": self.overlay}

    def evaluate(self, subject: Subject) -> Evaluation:
        """Check every answer; one that could not be checked in time is unscored."""
        schemas = self._compiled()
        answers = subject.answers(self.decoding)
        pairs = list(zip(subject.rows, answers, strict=True))
        verdicts = [self._check(row, answer, schemas) for row, answer in pairs]
        self._write_failures(subject.folder, pairs, verdicts)
        columns = {name: [reached(v) for v in verdicts] for name, reached in _REACHED.items()}
        columns["ended_by_itself"] = [float(answer.finish == "end") for answer in answers]
        if self.overlay is None:
            del columns["request_met"]
        return Evaluation(
            samples=tuple(row.id for row in subject.rows),
            clusters=tuple(row.group for row in subject.rows),
            columns=columns,
            scores=tuple(_share(name, values) for name, values in columns.items()),
            details=tuple(_detail(answer, verdict) for answer, verdict in zip(answers, verdicts, strict=True)),
            counts=_counts(verdicts),
            files=("schema_failures_debug.jsonl",),
        )

    def _check(self, row: Sample, answer: Answer, schemas: SchemaSet) -> Verdict:
        overlay = row.facts.get(self.overlay) if self.overlay else None
        truncated = answer.finish == "length"
        try:
            return check(answer.text, schemas, overlay=overlay, truncated=truncated, limit_seconds=self.limit_seconds)
        except SchemaProblem as error:
            raise ConfigError(f"row {row.id}: its own schema ({self.overlay}) cannot be used: {error}") from None

    def _folder(self) -> Path:
        folder = Path(self.schemas or "")
        own = ASSETS / folder / "schemas"
        return own if own.is_dir() else folder

    def _compiled(self) -> SchemaSet:
        if self.schemas is None:
            return compile_plain(schema=True)
        found = {path.stem: json.loads(path.read_text()) for path in sorted(self._folder().glob("*.json"))}
        if "envelope" not in found:
            raise ConfigError(
                f"schemas: {self._folder()} has no envelope.json; it has: {', '.join(found) or 'nothing'}"
            )
        try:
            return compile_schemas(envelope=found.pop("envelope"), payloads=found)
        except SchemaProblem as error:
            raise ConfigError(f"schemas: {self._folder()}: {error}") from None

    @staticmethod
    def _write_failures(folder: Path, pairs: list[tuple[Sample, Answer]], verdicts: list[Verdict]) -> None:
        """Every failed answer beside what was asked, in a file made for reading."""
        with (folder / "schema_failures_debug.jsonl").open("w", encoding="utf-8") as stream:
            for (row, answer), verdict in zip(pairs, verdicts, strict=True):
                if not verdict.valid:
                    asked = row.prompt[-1]["content"] if row.prompt else ""
                    shown = _detail(answer, verdict) | {"prompt": asked, "text": answer.text, "due": row.reference}
                    stream.write(json.dumps(shown, indent=None) + "\n")


def _detail(answer: Answer, verdict: Verdict) -> dict[str, Any]:
    errors = [{"validator": e.validator, "path": e.path, "message": e.message} for e in verdict.errors]
    return {
        "sample": answer.sample,
        "stage": verdict.stage,
        "mode": verdict.mode,
        "truncated": verdict.truncated,
        "errors": errors,
    }


def _counts(verdicts: list[Verdict]) -> dict[str, Any]:
    failures = Counter(f"{e.validator} at {e.general_path or '/'}" for v in verdicts for e in v.errors)
    return {
        "rows": len(verdicts),
        "unscored": sum(verdict.stage == "timeout" for verdict in verdicts),
        "truncated": sum(verdict.truncated for verdict in verdicts),
        "stages": dict(Counter(verdict.stage for verdict in verdicts)),
        "modes": dict(Counter(verdict.mode or "none" for verdict in verdicts)),
        "failures": dict(failures.most_common(_MOST_FREQUENT)),
    }


def _share(name: str, values: Sequence[float | None]) -> Score:
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else None
    return Score(name=name, value=mean, higher_is_better=True, statistic=Statistic(kind="mean", of=name), unit="share")
