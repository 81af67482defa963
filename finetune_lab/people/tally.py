"""What votes say together: means with the noise of items and raters, agreement, sides, and who was left out."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from finetune_lab.maths.agreement import kappa, share
from finetune_lab.maths.rater_noise import NOBODY, Rated, rated
from finetune_lab.maths.raters import krippendorff_alpha, table_of
from finetune_lab.maths.tests import mcnemar
from finetune_lab.people.gold import Attention, Gold, GoldItem, attention
from finetune_lab.people.votes import Vote, about, digest_of


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The votes that count: item -> rater -> vote. `attention` tells of gold items, `digest` names all that was read.

    What is about items that are not asked about here (another model's answers, rows that were dropped) is not read.
    """

    by_item: Mapping[str, Mapping[str, Vote]]
    attention: Mapping[str, Attention]
    digest: str

    @property
    def left_out(self) -> list[str]:
        """The raters whom the declared rule leaves out."""
        return [rater for rater, found in self.attention.items() if found.left_out]

    @property
    def raters(self) -> list[str]:
        """Whoever voted on an item that counts."""
        return sorted({rater for said in self.by_item.values() for rater in said})

    @property
    def num_votes(self) -> int:
        return sum(len(said) for said in self.by_item.values())

    def table(self, value_of: Callable[[Vote], float]) -> dict[str, list[float | None]]:
        """For each rater a value for each item, in the order of the items; None: no vote."""
        return {
            rater: [value_of(said[rater]) if rater in said else None for said in self.by_item.values()]
            for rater in self.raters
        }


def counted(votes: Sequence[Vote], items: Sequence[str], gold: Sequence[GoldItem], rule: Gold) -> Counted:
    """The last word of every rater on each of `items`, without those whom the rule leaves out."""
    wanted = set(items)
    said = about(votes, wanted | {one.item.id for one in gold})
    seen = attention(rule, gold, said)
    by_item: dict[str, dict[str, Vote]] = defaultdict(dict)
    for (item, rater), vote in said.items():
        if item in wanted and not (rater in seen and seen[rater].left_out):
            by_item[item][rater] = vote
    return Counted(by_item=dict(by_item), attention=seen, digest=digest_of(said.values()))


def averaged(
    found: Counted,
    value_of: Callable[[str, Vote], float],
    items: Sequence[str | None],
    groups: Sequence[str],
    level: float,
    confidence: float,
) -> Rated:
    """The mean over rows; `items[r]` is the item of row r, None for one that needs no vote and has the value `level`.

    Rows without votes are left out: `voted` tells which stay.
    """
    numbers = {rater: number for number, rater in enumerate(found.raters)}
    kept = voted(found, items)
    lines: list[tuple[int, int, float]] = []
    for place, row in enumerate(kept):
        item = items[row]
        if item is None:
            lines.append((place, NOBODY, level))
        else:
            said = found.by_item[item].items()
            lines += [(place, numbers[rater], value_of(item, vote)) for rater, vote in said]
    table = np.array(lines, dtype=np.float64).reshape(-1, 3)
    _, clusters = np.unique(np.array([groups[row] for row in kept], dtype=object).astype(str), return_inverse=True)
    of_items, of_raters = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    return rated(of_items, of_raters, table[:, 2], clusters.astype(np.int64), confidence=confidence)


def voted(found: Counted, items: Sequence[str | None]) -> list[int]:
    """The rows that have a value."""
    return [row for row, item in enumerate(items) if item is None or item in found.by_item]


def spread(values: Sequence[float], kept: Sequence[int], num_rows: int) -> list[float | None]:
    """Values of the rows `kept` as a column over all rows."""
    column: list[float | None] = [None] * num_rows
    for row, value in zip(kept, values, strict=True):
        column[row] = float(value)
    return column


def agreement_of(
    found: Counted, value_of: Callable[[Vote], float], kind_of: Callable[[Vote], float], confidence: float
) -> dict[str, Any]:
    """Krippendorff's α over values, and for every two raters κ and the share of equal answers, by kind."""
    values, kinds = found.table(value_of), found.table(kind_of)
    told: dict[str, Any] = {"shared_items": sum(len(said) > 1 for said in found.by_item.values())}
    if len(values) > 1:
        told["krippendorff_alpha"] = shown(krippendorff_alpha(list(values.values()), confidence=confidence))
    pairs = {}
    for one, other in combinations(kinds, 2):
        table = table_of(kinds[one], kinds[other])
        num = sum(map(sum, table))
        if num:
            same = sum(table[place][place] for place in range(len(table)))
            pairs[f"{one} ~ {other}"] = {"items": num, "same": same / num} | shown(kappa(table, confidence=confidence))
    return told | ({"pairs": pairs} if pairs else {})


def sides(found: Counted, confidence: float) -> dict[str, Any]:
    """How often the left answer was chosen, of all choices of a side, with an exact test: sides are drawn evenly."""
    votes = [vote for said in found.by_item.values() for vote in said.values() if vote.said in ("left", "right")]
    left = sum(vote.said == "left" for vote in votes)
    whole = shown(share(left, len(votes), confidence=confidence))
    by_rater = {
        rater: shown(share(sum(said == "left" for said in own), len(own), confidence=confidence)) | {"num": len(own)}
        for rater in found.raters
        if (own := [vote.said for vote in votes if vote.rater == rater])
    }
    p_value = mcnemar(left, len(votes) - left).p_value if votes else None
    return whole | {"num": len(votes), "p_value": p_value, "raters": by_rater}


def gold_told(found: Counted) -> dict[str, Any]:
    """Each rater's accuracy on the gold items."""
    return {
        rater: {"right": one.right, "num": one.num, "left_out": one.left_out} for rater, one in found.attention.items()
    }


def by_rater(found: Counted, value_of: Callable[[Vote], float]) -> dict[str, Any]:
    """Each rater's own votes: how many, and their mean."""
    table = {rater: [value for value in column if value is not None] for rater, column in found.table(value_of).items()}
    return {rater: {"votes": len(own), "mean": sum(own) / len(own)} for rater, own in table.items()}


def said_counts(found: Counted) -> Counter[str]:
    """How often each answer was given."""
    return Counter(vote.said for said in found.by_item.values() for vote in said.values())


def shown(one: Any) -> dict[str, float]:
    """A figure with its interval as plain values."""
    return {"value": one.value, "low": one.interval.low, "high": one.interval.high}
