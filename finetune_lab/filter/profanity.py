"""Rows with swear words, by the lists of glin-profanity, also spelt as f.u.c.k or sh1t. pip install .[data]"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Part, text_of
from finetune_lab.preparing.needs import needed
from finetune_lab.records import Candidate, Verdict


@plugin
class Profanity:
    """Drops rows whose `part` holds a word of the lists of `languages` or of `more`; those in `allowed` may stand.

    `leetspeak`: also words that are spelt with digits and signs in place of letters.
    """

    part: Part
    languages: Annotated[tuple[str, ...], Field(min_length=1)]
    leetspeak: bool
    more: tuple[str, ...]
    allowed: tuple[str, ...]

    def check(self) -> None:
        """Raise WorldError where the package is missing."""
        self._filter()

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        words = self._filter()
        return [self._verdict(words, text_of(row.sample, self.part)) for row in rows]

    @staticmethod
    def _verdict(words: Any, text: str) -> Verdict:
        if not words.is_profane(text):
            return Verdict()
        found = words.check_profanity(text)["profane_words"]
        return Verdict(reason="has profanity", detail=", ".join(dict.fromkeys(found))[:80])

    def _filter(self) -> Any:
        package = needed("glin_profanity", filter="profanity")
        return package.Filter(
            {
                "languages": list(self.languages),
                "detect_leetspeak": self.leetspeak,
                "custom_words": list(self.more),
                "ignore_words": list(self.allowed),
            }
        )
