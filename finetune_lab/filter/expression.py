"""Rows of which a condition of one's own holds, written in YAML. No Python is run (text/expression.py)."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import field_validator

from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import text_of
from finetune_lab.records import Candidate, Verdict
from finetune_lab.text.expression import ExpressionError, UnknownNameError, evaluate, parse


@plugin
class Expression:
    """Keeps rows where `condition` is true: `len(answer) > 2 * len(prompt) and label in ["a", "b"]`.

    Names are the row's fields and facts, `prompt` and `answer` (texts), `num_turns`, and `row`, which holds the fields
    by any name: `row["a b"]`. A row that lacks a name, or in which the condition cannot be worked out, is dropped for
    that reason.
    """

    condition: str

    @field_validator("condition")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            parse(value)
        except ExpressionError as error:
            raise ValueError(str(error)) from None
        return value

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        condition = parse(self.condition)
        return [self._verdict(condition, row) for row in rows]

    def _verdict(self, condition: Any, row: Candidate) -> Verdict:
        try:
            holds = bool(evaluate(condition, _names(row)))
        except UnknownNameError as error:
            return Verdict(reason=f"no {error.name}")
        except ExpressionError as error:
            return Verdict(reason="condition cannot be worked out", detail=str(error)[:80])
        return Verdict() if holds else Verdict(reason=f"not: {self.condition[:60]}")


def _names(row: Candidate) -> Mapping[str, Any]:
    sample = row.sample
    own = {"prompt": text_of(sample, "prompt"), "answer": text_of(sample, "answer"), "num_turns": len(sample.messages)}
    return {**row.fields, **sample.facts, **own, "row": row.fields}
