"""How many votes are wanted, of how many raters, and what they could show."""

from collections.abc import Sequence
from math import isfinite, sqrt
from typing import Annotated

from pydantic import Field, PositiveFloat

from finetune_lab.maths.power import detectable, items_needed
from finetune_lab.people.items import Item, draw
from finetune_lab.plugin import plugin

_ALL = 2**32


@plugin
class Power:
    """With how many rows is `difference` (from no difference; in the score's unit) found with probability `power`?

    `deviation` is that of one row's value, a guess before there are votes.
    """

    power: Annotated[float, Field(gt=0, lt=1)]
    difference: PositiveFloat
    deviation: PositiveFloat

    def lines(self, num_rows: int, confidence: float) -> list[str]:
        """For people, before the first question: what is wanted, and what there will be.

        Rows count, since votes on one row, or on the answers of two artifacts to it, tell of one difference.
        """
        needed = items_needed(self.difference, self.deviation, confidence=confidence, power=self.power)
        wanted = f"to find a difference of {self.difference:g} with power {self.power:.0%}"
        if not isfinite(needed):
            return [f"{wanted} no number of rows is enough"]
        enough = "enough" if num_rows >= needed else "too few"
        told = f"{wanted} takes votes on {int(needed)} rows (deviation {self.deviation:g})"
        lines = [f"{told}; there will be {num_rows}: {enough}"]
        if num_rows > 1:
            error = self.deviation / sqrt(num_rows)
            seen = detectable(error, num_rows - 1, confidence=confidence, power=self.power)
            lines.append(f"{num_rows} rows find a difference of {seen:.2g} with that power, if raters judge alike")
        return lines


@plugin
class Plan:
    """A share of `overlap` of the items is for `raters_each` raters, the others are for one; so agreement can be told.

    `seed` draws sides, orders and the overlap.
    """

    seed: Annotated[int, Field(ge=0)]
    overlap: Annotated[float, Field(ge=0, le=1)]
    raters_each: Annotated[int, Field(ge=2)]

    def num_raters(self, item: Item) -> int:
        """How many raters an item is for: a matter of its id alone, so everybody sees the same."""
        shared = draw(str(self.seed), "overlap", item.id) < self.overlap * _ALL
        return self.raters_each if shared else 1

    def num_votes(self, items: Sequence[Item]) -> int:
        """How many votes there will be on these items in all."""
        return sum(self.num_raters(item) for item in items)

    def line(self, items: Sequence[Item], num_gold: int, num_rows: int) -> str:
        """How many votes there will be, for people."""
        shared = f"{self.overlap:.0%} of them for {self.raters_each} raters" if self.overlap else "each for one rater"
        return (
            f"{len(items)} items of {num_rows} rows, {shared}: {self.num_votes(items)} votes; "
            f"and {num_gold} gold items for each rater"
        )
