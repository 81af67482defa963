"""Rows of a length, in characters."""

from collections.abc import Sequence

from pydantic import NonNegativeInt, PositiveInt

from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Part, text_of
from finetune_lab.records import Candidate, Verdict


@plugin
class Length:
    """Drops rows whose `part` (without white space around it) has fewer than `least` or more than `most` characters."""

    part: Part
    least: NonNegativeInt
    most: PositiveInt | None

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        return [self._verdict(len(text_of(row.sample, self.part).strip())) for row in rows]

    def _verdict(self, num_characters: int) -> Verdict:
        if num_characters < self.least:
            return Verdict(reason=f"under {self.least} characters", detail=str(num_characters))
        if self.most is not None and num_characters > self.most:
            return Verdict(reason=f"over {self.most} characters", detail=str(num_characters))
        return Verdict()
