"""How far judges of pairs can be trusted: measured against people's preferences, for corrected win rates."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from finetune_lab.errors import ConfigError, DataError
from finetune_lab.fingerprint import file_digest
from finetune_lab.inference.judging.pair_report import report
from finetune_lab.inference.judging.pairs import Pair
from finetune_lab.inference.judging.panel import interval_text, panel_key
from finetune_lab.lab import Lab
from finetune_lab.maths.agreement import kappa
from finetune_lab.maths.raters import table_of
from finetune_lab.maths.win_correction import WinCalibration
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.preparing.tables import read_table
from finetune_lab.text.tables import plain

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Labelled:
    pair: Pair
    group: str
    win: float


@plugin
class CalibratePairs:
    """`prompt`, `reference`, `candidate` and `label` name columns; `group` those rows that belong together, or null.

    `won`, `lost` and `tied` list what is written in the column `label` where people prefer the candidate, the
    reference, or neither. The judges are those of `evaluator`, an evaluator of this line.
    """

    evaluator: str
    paths: Path | tuple[Path, ...]
    prompt: str
    reference: str
    candidate: str
    label: str
    group: str | None
    won: tuple[str, ...]
    lost: tuple[str, ...]
    tied: tuple[str, ...]
    confidence: Annotated[float, Field(gt=0, lt=1)]

    def execute(self, lab: Lab) -> None:
        judge: Any = lab.evaluators.get(self.evaluator)
        if not hasattr(judge, "panel_identity"):
            known = ", ".join(name for name, one in lab.evaluators.items() if hasattr(one, "panel_identity"))
            raise ConfigError(
                f"task.evaluator: {self.evaluator} is no judge of pairs of this line ({known or 'it has none'}); "
                f"add eval=[judge_pairwise]"
            )
        rows = list(self._rows())
        if lab.dry:
            return
        judge.check()
        found, bills = judge.judge([row.pair for row in rows], [row.group for row in rows], lab.ask)
        wins = found.wins()
        true = np.array([row.win for row in rows])
        said = np.array([np.nan if win is None else win for win in wins])
        table = WinCalibration.of(said, true)
        counts = report(found, None, self.confidence)
        agreed = kappa(table_of([_sign(win) for win in wins], true.tolist()), confidence=self.confidence)
        told: dict[str, Any] = {
            "panel": panel_key(judge.panel_identity()),
            "files": [file_digest(path) for path in self._files()],
        }
        told |= {"table": {name: vars(one) for name, one in vars(table).items()}, "gain": table.gain}
        told |= {"kappa": {"value": agreed.value, **vars(agreed.interval)}, "report": counts | {"judges": bills}}
        path = lab.outputs / "calibration" / f"{self.evaluator}-{told['panel']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(plain(told), indent=2))
        self._tell(table, told, path)

    def _tell(self, table: WinCalibration, told: dict[str, Any], path: Path) -> None:
        for name, of in (("won", table.won), ("tied", table.tied), ("lost", table.lost)):
            if of.num:
                log.info("people    %-5s %5d pairs; the judge's mean win there %.3f", name, of.num, of.mean)
        log.info("kappa     %s", interval_text(told["kappa"]))
        if not isfinite(table.gain) or table.gain <= 0:
            log.warning("gain      the judge is no better than chance here; no win rate of it can be corrected")
        elif table.tied.num and abs(table.tied.mean - (table.won.mean + table.lost.mean) / 2) > 0.1:
            log.warning(
                "ties      the judge leans to one side where people see none; corrected rates assume it does not"
            )
        log.info("kept      %s", path)
        log.info(
            "use       eval.%s.calibration=%s gives the corrected win rate beside the raw one", self.evaluator, path
        )

    def _files(self) -> tuple[Path, ...]:
        return self.paths if isinstance(self.paths, tuple) else (self.paths,)

    def _rows(self) -> Iterator[_Labelled]:
        meanings = {word: win for words, win in ((self.won, 1.0), (self.lost, 0.0), (self.tied, 0.5)) for word in words}
        named = [self.prompt, self.reference, self.candidate, self.label, *([self.group] if self.group else [])]
        for path in self._files():
            for row in read_table(path):
                absent = [name for name in named if name not in row.fields]
                if absent:
                    raise DataError(f"{row.place}: no column {absent[0]!r}; it has: {', '.join(row.fields)}")
                written = str(row.fields[self.label]).strip()
                if written not in meanings:
                    known = ", ".join(meanings)
                    raise DataError(f"{row.place}: unknown label {written!r}; task.won, lost and tied know: {known}")
                prompt, one, other = (str(row.fields[name] or "") for name in named[:3])
                group = str(row.fields[self.group]) if self.group else prompt
                pair = Pair(conversation=prompt, reference=one, candidate=other)
                yield _Labelled(pair=pair, group=group, win=meanings[written])


def _sign(win: float | None) -> float | None:
    """A panel's mean as a verdict of its own."""
    return None if win is None else float(np.sign(win - 0.5) + 1) / 2
