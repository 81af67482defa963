"""Rows that differ in a few words: the Jaccard similarity of their shingles, found by MinHash."""

from collections.abc import Sequence

from pydantic import Field, PositiveInt, model_validator

from finetune_lab.plugin import plugin
from finetune_lab.preparing.duplicates import Action, verdicts
from finetune_lab.preparing.filtering import Part, text_of
from finetune_lab.records import Candidate, Verdict
from finetune_lab.text.minhash import jaccard, near_families, tuned
from finetune_lab.text.shingles import Unit, shingles


@plugin
class NearDuplicates:
    """Rows whose sets of runs of `size` words or characters have a Jaccard similarity of `threshold` or more.

    A pair at the threshold is found with probability `recall`, a nearer one with more; what is found is checked
    exactly. `num_permutations` is the most that may be spent on finding.
    """

    part: Part
    action: Action
    unit: Unit
    size: PositiveInt
    threshold: float = Field(gt=0, le=1)
    recall: float = Field(gt=0, lt=1)
    num_permutations: PositiveInt
    seed: int

    @model_validator(mode="after")
    def _enough(self) -> "NearDuplicates":
        tuned(self.threshold, recall=self.recall, num_permutations=self.num_permutations)
        return self

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        sets = shingles((text_of(row.sample, self.part) for row in rows), unit=self.unit, size=self.size)
        banding = tuned(self.threshold, recall=self.recall, num_permutations=self.num_permutations)
        families = near_families(sets, threshold=self.threshold, banding=banding, seed=self.seed)
        return verdicts(
            rows,
            families,
            lambda ones, others: jaccard(sets, sets, (ones, others)),
            at_least=self.threshold - 1e-12,
            action=self.action,
            reason="near duplicate",
            measure="Jaccard",
        )
