"""Rows of which a number is known that lies in a window: followers, seconds since the post, likes and answers."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import number_of
from finetune_lab.records import Candidate, Verdict


@plugin
class Window:
    """Keeps rows where the sum of the numbers in `fields` is at least `least` and at most `most` (null: no limit).

    A row of which one of them is not known is dropped for that reason: unknown is not zero.
    """

    fields: Annotated[tuple[str, ...], Field(min_length=1)]
    least: float | None
    most: float | None

    @model_validator(mode="after")
    def _some(self) -> "Window":
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError(f"least {self.least:g} should not be over most {self.most:g}")
        return self

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        return [self._verdict(row) for row in rows]

    def _verdict(self, row: Candidate) -> Verdict:
        found = {name: number_of(row, name) for name in self.fields}
        numbers = [number for number in found.values() if number is not None]
        if len(numbers) < len(found):
            missing = next(name for name, number in found.items() if number is None)
            return Verdict(reason=f"{missing} unknown")
        total = sum(numbers)
        if self.least is not None and total < self.least:
            return Verdict(reason=f"{self._what} under {self.least:g}", detail=f"{total:g}")
        if self.most is not None and total > self.most:
            return Verdict(reason=f"{self._what} over {self.most:g}", detail=f"{total:g}")
        return Verdict()

    @property
    def _what(self) -> str:
        return " + ".join(self.fields)
