"""Which rows of an evaluation stand in the training data: the same, nearly the same, or made of its pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune_lab.preparing.filtering import text_of
from finetune_lab.records import Sample
from finetune_lab.text.minhash import Nearest, nearest_across, tuned
from finetune_lab.text.normal import normal
from finetune_lab.text.shingles import Shingles, Unit, shingles

_RECALL, _NUM_PERMUTATIONS = 0.99, 64


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a row counts as seen: runs of `near_size` words or characters and their Jaccard similarity `near`; runs of
    `covered_size`, of which a share of `covered` stands in the training rows, wherever.
    """

    unit: Unit
    near_size: int
    near: float
    covered_size: int
    covered: float


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was found of one evaluation row: the training row with the same prompt or text, the nearest one, and the
    share of the row's pieces that stand anywhere in training (None: it is shorter than one piece).
    """

    row: Sample
    same_prompt: str | None
    same_text: str | None
    near: str | None
    similarity: float
    covered: float | None

    def kinds(self, limits: Limits) -> list[str]:
        """All that holds of it, the strictest first; nothing for a clean row."""
        whole = self.covered is not None and self.covered >= limits.covered
        found = {
            "same text": self.same_text,
            "same prompt": self.same_prompt,
            "near": self.near,
            "covered": whole or None,
        }
        return [name for name, value in found.items() if value is not None]

    def to_json(self, limits: Limits) -> dict[str, Any]:
        """A line for people and programs."""
        like = self.same_text or self.same_prompt or self.near
        known = {"kinds": self.kinds(limits), "like": like, "similarity": round(self.similarity, 4)}
        return {"row": self.row.id, **known, "covered": self.covered, "prompt": text_of(self.row, "prompt")}


KINDS = ("same text", "same prompt", "near", "covered")


class Training:
    """Training rows, looked at once, to hold any number of evaluations against."""

    def __init__(self, rows: Sequence[Sample], limits: Limits) -> None:
        self.rows, self.limits = rows, limits
        self._texts = _names(rows, "all")
        self._prompts = _names(rows, "prompt")
        self._near = self._sets(rows, limits.near_size)
        self._pieces = np.unique(self._sets(rows, limits.covered_size).hashes)

    def _sets(self, rows: Sequence[Sample], size: int) -> Shingles:
        return shingles((text_of(row, "all") for row in rows), unit=self.limits.unit, size=size)

    def seen(self, rows: Sequence[Sample]) -> list[Seen]:
        """What was found of every row of an evaluation, in their order."""
        banding = tuned(self.limits.near, recall=_RECALL, num_permutations=_NUM_PERMUTATIONS)
        near = nearest_across(
            self._near, self._sets(rows, self.limits.near_size), threshold=self.limits.near, banding=banding, seed=0
        )
        covered = self._covered(rows)
        return [self._one(row, near, place, covered[place]) for place, row in enumerate(rows)]

    def _one(self, row: Sample, near: Nearest, place: int, covered: float) -> Seen:
        number = int(near.rows[place])
        return Seen(
            row=row,
            same_prompt=self._prompts.get(normal(text_of(row, "prompt"))),
            same_text=self._texts.get(normal(text_of(row, "all"))),
            near=self.rows[number].id if number >= 0 else None,
            similarity=float(near.similarity[place]),
            covered=None if np.isnan(covered) else round(float(covered), 4),
        )

    def _covered(self, rows: Sequence[Sample]) -> NDArray[np.float64]:
        """The share of each row's pieces that are known; NaN for a row that is no piece long."""
        size = self.limits.covered_size
        sets, units = self._sets(rows, size), self._sets(rows, 1)
        known = np.concatenate([[0], np.cumsum(np.isin(sets.hashes, self._pieces))])
        counts = sets.counts
        share = np.full(len(rows), np.nan)
        whole = (counts > 0) & ((counts > 1) | (units.counts >= size))  # one piece may be a row that is too short
        return np.divide(known[sets.starts[1:]] - known[sets.starts[:-1]], counts, out=share, where=whole)


def _names(rows: Sequence[Sample], part: Any) -> dict[str, str]:
    """Text of every row -> the first row that has it; empty texts are no text."""
    found: dict[str, str] = {}
    for row in rows:
        found.setdefault(normal(text_of(row, part)), row.id)
    found.pop("", None)
    return found


def counted(seen: Sequence[Seen], limits: Limits) -> dict[str, int]:
    """Rows in all, rows of each kind (a row may be of several), and rows of any."""
    kinds = [one.kinds(limits) for one in seen]
    each = {kind: sum(kind in found for found in kinds) for kind in KINDS}
    return {"rows": len(seen), **each, "any": sum(bool(found) for found in kinds)}
