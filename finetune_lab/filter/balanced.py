"""Classes of the same size, none of them too small."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from finetune_lab.errors import DataError
from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import value_of
from finetune_lab.records import Candidate, Verdict


@plugin
class Balanced:
    """Keeps as many rows of every class (the value of `field`) as the smallest has, at most `most` of each.

    Which ones follows from `seed` and the rows themselves, not from their order. Raises DataError where a class has
    fewer than `least` rows, or where fewer than `classes` are there.
    """

    field: str
    least: PositiveInt
    most: PositiveInt | None
    classes: Annotated[int, Field(ge=2)]
    seed: int

    @model_validator(mode="after")
    def _some(self) -> "Balanced":
        if self.most is not None and self.most < self.least:
            raise ValueError(f"most {self.most} should not be under least {self.least}")
        return self

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        values = [value_of(row, self.field) for row in rows]
        labels = [None if value is None else str(value) for value in values]
        sizes = Counter(label for label in labels if label is not None)
        self._check(sizes)
        each = min([*sizes.values(), *([self.most] if self.most else [])])
        kept: Counter[str] = Counter()
        verdicts = [Verdict(reason=f"no {self.field}")] * len(rows)
        for number in sorted(range(len(rows)), key=lambda n: self._place(rows[n])):
            label = labels[number]
            if label is not None:
                kept[label] += 1
                over = Verdict(reason=f"over {each} of its class", detail=label[:80])
                verdicts[number] = Verdict() if kept[label] <= each else over
        return verdicts

    def _check(self, sizes: Counter[str]) -> None:
        told = ", ".join(f"{label[:40]!r} {num}" for label, num in sorted(sizes.items())[:10]) or "none"
        if len(sizes) < self.classes:
            raise DataError(f"filter balanced: {self.field} has {len(sizes)} classes, {self.classes} are due: {told}")
        if min(sizes.values()) < self.least:
            raise DataError(
                f"filter balanced: every class of {self.field} needs {self.least} rows; there are: {told}; bring more "
                "rows, or lower the filter's least"
            )

    def _place(self, row: Candidate) -> bytes:
        return sha256(f"{self.seed}:{row.sample.id}".encode()).digest()
