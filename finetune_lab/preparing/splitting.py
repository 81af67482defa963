"""Rows to splits by their content: seeded, the same on any machine, and adding rows moves none of the old ones."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pydantic import Field, model_validator

from finetune_lab.plugin import plugin
from finetune_lab.records import Sample

SPLITS = ("train", "validation", "test")


@plugin
class Split:
    """Shares of the rows; they add up to 1. Rows of one group fall into one split together.

    `stratify` names a fact or a field (a label): every value of it then gets the shares as exactly as its groups allow.
    """

    train: float = Field(ge=0, le=1)
    validation: float = Field(ge=0, le=1)
    test: float = Field(ge=0, le=1)
    seed: int
    stratify: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Split":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test should be 1, they are {total:g}")
        return self

    def identity(self) -> dict[str, Any]:
        own = {"train": self.train, "validation": self.validation, "test": self.test, "seed": self.seed}
        return own | ({"stratify": self.stratify} if self.stratify else {})

    def place(self, group: str) -> float:
        """Where the digest of seed and name falls on the line from 0 to 1."""
        return int.from_bytes(sha256(f"{self.seed}:{group}".encode()).digest()[:8]) / 2**64

    def of(self, group: str) -> str:
        """The split of a group by its place alone."""
        place = self.place(group)
        if place < self.train:
            return "train"
        return "validation" if place < self.train + self.validation else "test"

    def assign(self, samples: Iterable[Sample]) -> dict[str, list[Sample]]:
        """All splits, also empty ones, with their rows in the given order; strata are not looked at."""
        splits: dict[str, list[Sample]] = {name: [] for name in SPLITS}
        for sample in samples:
            splits[self.of(sample.group)].append(sample)
        return splits


@dataclass(kw_only=True)
class Assigner:
    """Splits for groups in the order in which they come; where one has been put it stays.

    Without strata the place alone decides, whatever came before. Within a stratum a group goes to one of the splits
    that are short of rows so far, the more likely the shorter; which one, its place decides. So the shares hold to
    about a row, no period of the file shows, and rows that are added at the end move none.
    """

    split: Split
    _where: dict[str, str] = field(default_factory=dict)
    _counts: dict[str, Counter[str]] = field(default_factory=dict)

    def where(self, group: str) -> str | None:
        """The split of a group, or None while it has none."""
        return self._where.get(group) if self.split.stratify else self.split.of(group)

    def take(self, group: str, stratum: str) -> str:
        """Put a row of a group into its split, and say which it is."""
        counts = self._counts.setdefault(stratum, Counter())
        name = self.where(group) or self._due(group, counts)
        self._where[group] = name
        counts[name] += 1
        return name

    def _due(self, group: str, counts: Counter[str]) -> str:
        after = counts.total() + 1
        short = {name: getattr(self.split, name) * after - counts[name] for name in SPLITS}
        open_to = {name: lack for name, lack in short.items() if lack > 1e-9}
        left = self.split.place(group) * sum(open_to.values())
        for name, lack in open_to.items():
            left -= lack
            if left < 0:
                return name
        return next(reversed(open_to))
