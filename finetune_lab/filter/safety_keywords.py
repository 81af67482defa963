"""A safety label with a severity from keywords: rows at or over a severity go, or all stay and carry it."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Part, text_of
from finetune_lab.records import Candidate, Verdict

Severity = Literal["low", "medium", "high"]
ORDER: tuple[Severity, ...] = ("low", "medium", "high")


@plugin
class SafetyKeywords:
    """`keywords`: severity -> what a word or phrase begins with (a full stop ends a whole word), in any case.

    The highest severity that is found counts. Rows of `drop_from` or more go (null: none do); those that stay get the
    facts `label` (unless they have one), `severity` (none, low, medium, high) and `keywords`. Words only: a person has
    to look at it.
    """

    part: Part
    keywords: Mapping[Severity, Annotated[tuple[str, ...], Field(min_length=1)]]
    drop_from: Severity | None

    @model_validator(mode="after")
    def _some(self) -> "SafetyKeywords":
        if not self.keywords:
            raise ValueError("name the keywords of at least one severity")
        return self

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        patterns = {
            severity: _pattern(self.keywords[severity]) for severity in ORDER[::-1] if severity in self.keywords
        }
        return [self._verdict(row, patterns) for row in rows]

    def _verdict(self, row: Candidate, patterns: Mapping[Severity, re.Pattern[str]]) -> Verdict:
        text = text_of(row.sample, self.part).lower()
        for severity, pattern in patterns.items():
            found = sorted(set(pattern.findall(text)))
            if found and self.drop_from is not None and ORDER.index(severity) >= ORDER.index(self.drop_from):
                return Verdict(reason=f"unsafe by keywords, severity {severity}", detail=", ".join(found)[:80])
            if found:
                return Verdict(facts=self._facts(row, "unsafe", severity, found))
        return Verdict(facts=self._facts(row, "safe", "none", []))

    @staticmethod
    def _facts(row: Candidate, label: str, severity: str, found: list[str]) -> dict[str, object]:
        given = {} if "label" in row.sample.facts else {"label": label, "label_source": "heuristic"}
        return {**given, "severity": severity, "keywords": found}


def _pattern(stems: Sequence[str]) -> re.Pattern[str]:
    """Longer stems first, so that the most telling one is named."""
    ordered = sorted((stem.lower() for stem in stems), key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(re.escape(stem).replace(r"\.", r"\b") for stem in ordered) + ")")
