"""How far a judge of refusals can be trusted: measured against people's labels, and what that says of its rates."""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from pydantic import Field, SkipValidation
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune_lab.errors import DataError
from finetune_lab.fingerprint import file_digest, fingerprint
from finetune_lab.lab import Lab
from finetune_lab.maths.agreement import Agreement, Confusion, Measured, agreement, share
from finetune_lab.maths.correction import corrected_rate
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.tables import read_table
from finetune_lab.text.tables import plain

log = logging.getLogger(__name__)
ALL = "all"
_MODELS_IN_A_TABLE = 3


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One answer: the model that gave it, whether the judge says that it refuses, and what a person said (or None)."""

    model: str
    refuses: bool
    label: bool | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What one model's rows say: agreement on the labelled ones, the rate of the others raw and corrected by it."""

    model: str
    table: Confusion
    agreement: Agreement
    num_unlabelled: int
    raw: Measured
    corrected: Measured


@plugin
class Calibrate:
    """`prompt`, `answer`, `label` and `model` name columns; without `model` the name of its file stands for a row's.

    `refused` and `complied` list what is written in the column `label`. A row whose label is empty is not calibrated
    on; its model's rate is given raw and corrected.
    """

    judge: SkipValidation[Any]
    paths: Path | tuple[Path, ...]
    prompt: str
    answer: str
    label: str
    model: str | None
    refused: tuple[str, ...]
    complied: tuple[str, ...]
    confidence: float = Field(gt=0, lt=1)

    def execute(self, lab: Lab) -> None:
        getattr(self.judge, "check", lambda: None)()
        rows = list(self._rows())
        judged = list(self._judged(rows, lab))
        if len(judged) < len(rows):
            log.info("unscored  %d of %d rows, which the judge gave no verdict on", len(rows) - len(judged), len(rows))
        if not any(row.label is not None for row in judged):
            raise DataError(f"task.paths: no row has a label in column {self.label!r}; nothing can be calibrated")
        found = calibrate(judged, confidence=self.confidence)
        for table in _tables(found):
            Console(highlight=False).print(table)
        path = self._write(lab.outputs / "calibration", found)
        log.info("kept      %s", path)
        log.info("use       eval.safety.calibration=%s gives corrected rates beside the raw ones", path)

    def _files(self) -> tuple[Path, ...]:
        return self.paths if isinstance(self.paths, tuple) else (self.paths,)

    def _rows(self) -> Iterator[tuple[str, Row]]:
        for path in self._files():
            for row in read_table(path):
                named = (self.prompt, self.answer, self.label, *([self.model] if self.model else ()))
                absent = [name for name in named if name not in row.fields]
                if absent:
                    raise DataError(f"{row.place}: no column {absent[0]!r}; it has: {', '.join(row.fields)}")
                yield str(row.fields[self.model]) if self.model else path.stem, row

    def _judged(self, rows: list[tuple[str, Row]], lab: Lab) -> Iterator[Labelled]:
        exchanges = [(str(row.fields[self.prompt]), str(row.fields[self.answer] or "")) for _, row in rows]
        for (model, row), verdict in zip(rows, self.judge.judge(exchanges, lab.ask), strict=True):
            label = self._label(row)
            if verdict is not None:
                yield Labelled(model=model, refuses=verdict.refuses, label=label)

    def _label(self, row: Row) -> bool | None:
        written = str(row.fields[self.label] or "").strip()
        if not written:
            return None
        if written not in (*self.refused, *self.complied):
            known = ", ".join((*self.refused, *self.complied))
            raise DataError(f"{row.place}: unknown label {written!r}; task.refused and task.complied know: {known}")
        return written in self.refused

    def _write(self, folder: Path, found: list[Calibration]) -> Path:
        files = [file_digest(path) for path in self._files()]
        columns = [self.prompt, self.answer, self.label, self.model]
        key = fingerprint(self.judge, files, columns, self.refused)
        folder.mkdir(parents=True, exist_ok=True)
        told = {
            "judge": type(self.judge).__name__,
            "key": fingerprint(self.judge),
            "confidence": self.confidence,
            "files": files,
        }
        path = folder / f"{type(self.judge).__name__.lower()}-{key}.json"
        write_atomically(path, json.dumps(plain(told | {"models": [asdict(one) for one in found]}), indent=2))
        return path


def calibrate(rows: list[Labelled], *, confidence: float) -> list[Calibration]:
    """One calibration for each model, and one of all together where there are several."""
    models = list(dict.fromkeys(row.model for row in rows))
    parts = {model: [row for row in rows if row.model == model] for model in models}
    if len(models) > 1:
        parts[ALL] = rows
    return [_calibration(model, part, confidence) for model, part in parts.items()]


def _calibration(model: str, rows: list[Labelled], confidence: float) -> Calibration:
    table = Confusion.of((row.refuses, row.label) for row in rows if row.label is not None)
    others = [row.refuses for row in rows if row.label is None]
    return Calibration(
        model=model,
        table=table,
        agreement=agreement(table, confidence=confidence),
        num_unlabelled=len(others),
        raw=share(sum(others), len(others), confidence=confidence),
        corrected=corrected_rate(sum(others), len(others), table, confidence=confidence),
    )


def _tables(found: list[Calibration]) -> Iterator[Table]:
    """Figures in rows and models in columns, three to a table."""
    for start in range(0, len(found), _MODELS_IN_A_TABLE):
        part = found[start : start + _MODELS_IN_A_TABLE]
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        table.add_column("", no_wrap=True)
        for one in part:
            table.add_column(Text(one.model), justify="right", overflow="fold")
        table.add_row("labelled", *(str(one.agreement.num) for one in part))
        for name in ("accuracy", "kappa", "sensitivity", "specificity", "bias"):
            table.add_row(name, *(_told(getattr(one.agreement, name)) for one in part))
        if any(one.num_unlabelled for one in part):
            table.add_row("unlabelled", *(str(one.num_unlabelled) for one in part))
            table.add_row("raw rate", *(_told(one.raw) for one in part))
            table.add_row("corrected", *(_told(one.corrected) for one in part))
        yield table


def _told(figure: Measured) -> str:
    if not isfinite(figure.value):
        return "–"
    low, high = figure.interval.low, figure.interval.high
    return f"{figure.value:.3f} [{low:.3f},{high:.3f}]" if isfinite(low) else f"{figure.value:.3f}"
