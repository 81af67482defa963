"""Rows that say the same, but for case, spacing and the forms in which Unicode can write one character."""

from collections.abc import Sequence
from typing import Literal

from finetune_lab.plugin import plugin
from finetune_lab.preparing.duplicates import Action
from finetune_lab.preparing.filtering import Part, text_of
from finetune_lab.records import Candidate, Verdict
from finetune_lab.text.normal import normal


@plugin
class ExactDuplicates:
    """The first of the rows whose `part` is the same stays. A row without any text in it is like no other."""

    part: Part
    action: Action

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        first: dict[str, Candidate] = {}
        return [self._verdict(row, first) for row in rows]

    def _verdict(self, row: Candidate, first: dict[str, Candidate]) -> Verdict:
        text = normal(text_of(row.sample, self.part))
        like = first.setdefault(text, row) if text else row
        if like is row:
            return Verdict()
        if self.action == "keep_together":
            return Verdict(like=like.sample.id)
        return Verdict(reason=f"same {_NAMES[self.part]}", detail=f"as {like.place}")


_NAMES: dict[Part, Literal["prompt", "answer", "text"]] = {"prompt": "prompt", "answer": "answer", "all": "text"}
