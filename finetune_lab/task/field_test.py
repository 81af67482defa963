"""What deployed replies brought, arm by arm, from a log of them: topic, hour and original engagement held equal."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator
from rich.console import Console

from finetune_lab.errors import ConfigError
from finetune_lab.field.comparing import compare_arms
from finetune_lab.field.covariates import Shapes
from finetune_lab.field.findings import Asked, Comparison, Outcome
from finetune_lab.field.forest import forest
from finetune_lab.field.log_file import Columns, FieldLog, read_log
from finetune_lab.field.showing import shown
from finetune_lab.fingerprint import file_digest, fingerprint
from finetune_lab.lab import Lab
from finetune_lab.once import NOTE, write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.provenance import here
from finetune_lab.text.tables import plain
from finetune_lab.text.terminal import visible

log = logging.getLogger(__name__)
RESULTS, PICTURE = "results.json", "forest.svg"
Share = Annotated[float, Field(gt=0, lt=1)]


@plugin
class FieldTest:
    """`log` is a CSV, JSONL, JSON or Parquet file with a row for each deployed reply; `columns` names what it has.

    `zone` is that of times without one, and of the hours. `reference`: an arm; null: base where there is one, else
    the first by name. `worth`: the ratio that weeks are planned for, with `power`. `interacted`: covariates may work
    differently in each arm. `most_missing`: the share of rows that may lack a covariate. `near_certain`: chances of an
    arm under which a row counts as without a counterpart. `random_p`: above it the assignment looks random.
    """

    log: str
    columns: Columns
    zone: str | None
    outcomes: Annotated[Mapping[str, Outcome], Field(min_length=1)]
    reference: str | None
    shapes: Shapes
    interacted: bool
    confidence: Share
    power: Share
    worth: Annotated[float, Field(gt=0)]
    most_missing: Annotated[float, Field(ge=0, lt=1)]
    near_certain: Annotated[float, Field(ge=0, lt=0.5)]
    random_p: Share

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        try:
            ZoneInfo(zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no such time zone: {zone}; take one like Europe/Berlin") from None
        return zone

    @field_validator("worth")
    @classmethod
    def _some_ratio(cls, worth: float) -> float:
        if worth == 1:
            raise ValueError("a ratio of 1 is no difference: no test finds it")
        return worth

    def identity(self) -> dict[str, Any]:
        """The content of the log, not its place."""
        knobs = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "log"}
        return knobs | {"log": file_digest(Path(self.log))}

    def execute(self, lab: Lab) -> None:
        path = Path(self.log)
        names = dict.fromkeys(name for one in self.outcomes.values() for name in (one.column, one.per) if name)
        read = read_log(path, self.columns, list(names), zone=self.zone, most_missing=self.most_missing)
        asked = Asked(**{field.name: getattr(self, field.name) for field in fields(Asked)})
        found = [compare_arms(read, *pair, asked) for pair in self._pairs(read)]
        folder = lab.outputs / "field" / lab.group / f"{_plain_name(path)}-{fingerprint(self)}"
        self._write(folder, path, read, found)
        lab.store.index_field_test(folder)
        console = Console(highlight=False, emoji=False, markup=False, width=80)
        for one in found:
            console.print(shown(one, asked))
        log.info("results:  %s", folder / RESULTS)
        log.info("picture:  %s", folder / PICTURE)

    def _pairs(self, read: FieldLog) -> Iterator[tuple[str, str]]:
        """The reference with every other arm first, then the others with one another."""
        reference = self.reference or ("base" if "base" in read.arms else min(read.arms))
        if reference not in read.arms:
            there = ", ".join(visible(arm) for arm in sorted(read.arms))
            raise ConfigError(f"task.reference: the log has no arm {reference!r}; it has {there}")
        return combinations([reference, *sorted(set(read.arms) - {reference})], 2)

    def _write(self, folder: Path, path: Path, read: FieldLog, found: list[Comparison]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        whole = {"log": path.name, "num_rows": read.num_rows, "num_weeks": read.num_weeks, "left_out": read.left_out}
        whole["comparisons"] = [asdict(one) for one in found]
        write_atomically(folder / RESULTS, json.dumps(plain(whole), indent=2, allow_nan=False))
        write_atomically(folder / PICTURE, forest(found, self.confidence))
        note = {"kind": "field test", "key": fingerprint(self), "log": path.name, "confidence": self.confidence}
        write_atomically(folder / NOTE, json.dumps(note | {"made": here()}, indent=2))


def _plain_name(path: Path) -> str:
    """The file's name as part of a folder's."""
    return re.sub(r"[^\w-]+", "-", path.stem)[:40] or "log"
