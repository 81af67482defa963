"""Rows in some languages, told by py3langid: offline, 139 languages. pip install .[data]"""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt

from finetune_lab.errors import ConfigError
from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Part, text_of
from finetune_lab.preparing.needs import needed
from finetune_lab.records import Candidate, Verdict


@plugin
class Language:
    """Keeps rows whose `part` is in one of `languages` (ISO 639-1) with at least `least_probability`.

    A text of fewer than `shortest` characters tells too little about its language, and stays.
    """

    languages: Annotated[tuple[str, ...], Field(min_length=1)]
    part: Part
    shortest: NonNegativeInt
    least_probability: Annotated[float, Field(ge=0, le=1)]

    def check(self) -> None:
        """Raise WorldError without the package, ConfigError for a language that it does not know."""
        identifier = _identifier()
        unknown = sorted(set(self.languages) - set(identifier.labels))
        if unknown:
            raise ConfigError(
                f"filter language: {', '.join(unknown)} not known; known: {', '.join(sorted(identifier.labels))}"
            )

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        self.check()
        identifier = _identifier()
        return [self._verdict(identifier, text_of(row.sample, self.part)) for row in rows]

    def _verdict(self, identifier: Any, text: str) -> Verdict:
        if len(text.strip()) < self.shortest:
            return Verdict()
        language, probability = identifier.classify(text)
        detail = f"{language} {probability:.2f}"
        if language not in self.languages:
            return Verdict(reason="another language", detail=detail)
        if probability < self.least_probability:
            return Verdict(reason="language unsure", detail=detail)
        return Verdict()


@cache  # its model is unpacked once for a process
def _identifier() -> Any:
    langid = needed("py3langid.langid", filter="language")
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
