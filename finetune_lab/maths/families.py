"""Families: rows that are linked, directly or through others; and which rows of a family may go."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Similarity = Callable[[Rows, Rows], NDArray[np.float64]]  # of pairs of rows

_JOINED_AT_ONCE = 10_000


class Families:
    """Every row starts as a family of its own; `join` unites. `labels` holds at any time who belongs together.

    The labels of the smaller family are written over, so n rows cost at most n · log₂ n writes in whatever order.
    """

    def __init__(self, num_rows: int) -> None:
        self.labels: Rows = np.arange(num_rows)
        self._members: dict[int, list[int]] = {}  # of families of two and more

    def join(self, ones: Rows, others: Rows) -> None:
        """Unite the families of row `ones[i]` and row `others[i]`, for every i."""
        while True:
            apart = self.labels[ones] != self.labels[others]
            ones, others = ones[apart], others[apart]
            if not len(ones):
                return
            for one, other in zip(ones[:_JOINED_AT_ONCE].tolist(), others[:_JOINED_AT_ONCE].tolist(), strict=True):
                self._unite(int(self.labels[one]), int(self.labels[other]))
            ones, others = ones[_JOINED_AT_ONCE:], others[_JOINED_AT_ONCE:]

    def _unite(self, small: int, large: int) -> None:
        if small == large:
            return
        if len(self._members.get(small, ())) > len(self._members.get(large, ())):
            small, large = large, small
        moved = self._members.pop(small, [small])
        self._members.setdefault(large, [large]).extend(moved)
        self.labels[moved] = large

    def firsts(self) -> Rows:
        """For every row the first row of its family: itself, where none of it stands before."""
        found = np.full(len(self.labels), len(self.labels))
        np.minimum.at(found, self.labels, np.arange(len(self.labels)))
        return found[self.labels]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """For every row the one that stays for it (itself, if it stays), and how similar the two are."""

    keeper: Rows
    similarity: NDArray[np.float64]


def keep_first(firsts: Rows, similarity: Similarity, *, at_least: float) -> Kept:
    """Walk through every family in the order of its rows: a row goes if it is `at_least` so similar to one that stays.

    Being of a family is not enough: of a chain a – b – c, whose ends are unlike, b goes for a, and c stays.
    """
    keeper, found = np.arange(len(firsts)), np.ones(len(firsts))
    heads, rest = firsts.copy(), np.flatnonzero(firsts != np.arange(len(firsts)))
    while len(rest):
        near = similarity(heads[rest], rest)
        gone = near >= at_least
        keeper[rest[gone]], found[rest[gone]] = heads[rest[gone]], near[gone]
        rest = rest[~gone]
        families, first = np.unique(firsts[rest], return_index=True)
        heads[families] = rest[first]  # the next that stays in each family, kept at the place of the family's name
        rest = np.delete(rest, first)
        heads[rest] = heads[firsts[rest]]
    return Kept(keeper=keeper, similarity=found)
