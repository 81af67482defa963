"""Rows on their way from a file to the splits: what they became, and every one that was left out with its reason."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from finetune_lab.preparing.reading import Row
from finetune_lab.records import Sample

READING = "reading"  # the step before all filters
NUM_EXAMPLES = 3
_EXAMPLE_CHARACTERS = 160


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A row that was left out: in which step, why (words that are counted), and what was found in this one."""

    row: Row
    reason: str
    step: str = READING
    detail: str = ""

    @property
    def counted_as(self) -> str:
        """The reason as the note counts it: a filter's with its name."""
        return self.reason if self.step == READING else f"{self.step}: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """A line of the file of dropped rows."""
        about = {"step": self.step, "reason": self.reason, "detail": self.detail}
        return {**about, "place": self.row.place, "row": self.row.fields}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step took in and let through. In every step rows in = rows out + rows dropped."""

    name: str
    rows_in: int
    rows_out: int
    dropped: tuple[Dropped, ...]

    def to_json(self) -> dict[str, Any]:
        """The counts and the first rows that were dropped, for the note."""
        shown = [
            {
                "place": one.row.place,
                "reason": one.reason,
                "detail": one.detail,
                "row": str(one.row.fields)[:_EXAMPLE_CHARACTERS],
            }
            for one in self.dropped[:NUM_EXAMPLES]
        ]
        reasons = dict(Counter(one.reason for one in self.dropped))
        counts = {"step": self.name, "rows_in": self.rows_in, "rows_out": self.rows_out, "dropped": reasons}
        return {**counts, "examples": shown}


@dataclass(kw_only=True)
class Converted:
    """Samples with the rows that they were (by the sample's id), and what was left out, in order.

    `shapes` counts every row that was read, also those that were left out. `keys`: by the sample's id, what must not
    fall into two splits beside its group (the author of a line of a dialogue).
    """

    samples: list[Sample] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    shapes: Counter[str] = field(default_factory=Counter)

    def add(self, sample: Sample, row: Row, keys: tuple[str, ...] = ()) -> bool:
        """Take a sample in; one that stands here already is dropped and counted. Whether it was taken."""
        if sample.id in self.rows:
            self.drop("stands twice", row)
            return False
        self.rows[sample.id] = row
        if keys:
            self.keys[sample.id] = keys
        self.samples.append(sample)
        return True

    def drop(self, reason: str, row: Row, detail: str = "") -> None:
        """Leave a row out while reading."""
        self.dropped.append(Dropped(row=row, reason=reason, detail=detail))

    def choose(self, samples: list[Sample], reason: str) -> None:
        """Keep `samples`, some of those that are here, in their order; the others are dropped for `reason`."""
        names = {sample.id for sample in samples}
        for sample in self.samples:
            if sample.id not in names:
                self.drop(reason, self.rows[sample.id])
        self.samples = samples

    @property
    def num_read(self) -> int:
        """All rows that were read."""
        return self.shapes.total()

    def reading(self) -> Step:
        """Reading as a step."""
        return Step(name=READING, rows_in=self.num_read, rows_out=len(self.samples), dropped=tuple(self.dropped))
