"""Rows to splits by their content: seeded, the same on any machine, and adding rows moves none of the old ones."""

from collections.abc import Iterable
from hashlib import sha256

from pydantic import Field, model_validator

from finetune_lab.plugin import plugin
from finetune_lab.records import Sample

SPLITS = ("train", "validation", "test")


@plugin
class Split:
    """Shares of the rows; they add up to 1. Rows of one group fall into one split together."""

    train: float = Field(ge=0, le=1)
    validation: float = Field(ge=0, le=1)
    test: float = Field(ge=0, le=1)
    seed: int

    @model_validator(mode="after")
    def _whole(self) -> "Split":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train + validation + test should be 1, they are {total:g}")
        return self

    def of(self, group: str) -> str:
        """The split of a group: where the digest of seed and name falls on the line from 0 to 1."""
        place = int.from_bytes(sha256(f"{self.seed}:{group}".encode()).digest()[:8]) / 2**64
        if place < self.train:
            return "train"
        return "validation" if place < self.train + self.validation else "test"

    def assign(self, samples: Iterable[Sample]) -> dict[str, list[Sample]]:
        """All splits, also empty ones, with their rows in the given order."""
        splits: dict[str, list[Sample]] = {name: [] for name in SPLITS}
        for sample in samples:
            splits[self.of(sample.group)].append(sample)
        return splits
