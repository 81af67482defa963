"""Languages are told apart offline; short texts stay."""

from typing import Any

import pytest

from finetune_lab.errors import ConfigError

pytest.importorskip("py3langid", reason="pip install .[data]")

TEXTS = {
    "en": "The weather has been lovely all week, and we are going to the beach tomorrow.",
    "de": "Das Wetter war die ganze Woche sch\u00f6n, und morgen fahren wir an den Strand.",
    "fr": "Il a fait beau toute la semaine et nous irons \u00e0 la plage demain matin.",
    "ja": "\u4eca\u9031\u306f\u305a\u3063\u3068\u5929\u6c17\u304c\u826f\u304f\u3066\u3001\u660e\u65e5\u306f"
    "\u6d77\u306b\u884c\u304d\u307e\u3059\u3002",
}


@pytest.fixture
def kept(lab: Any, candidate: Any) -> Any:
    def judged(*options: str, texts: Any = None) -> list[str | None]:
        one = lab("filter@data.filters=[language]", *options).data.filters["language"]
        return [v.reason for v in one.keep([candidate(prompt="", answer=text) for text in texts or TEXTS.values()])]

    return judged


def test_only_the_languages_that_are_named_stay(kept: Any) -> None:
    other = "another language"
    assert kept() == [None, other, other, other]
    assert kept("data.filters.language.languages=[de,ja]") == [other, None, other, None]


def test_a_short_text_stays_and_an_unsure_one_may_go(kept: Any) -> None:
    assert kept(texts=["Ja, klar!", "\u65e5\u672c"]) == [None, None]
    assert kept("data.filters.language.least_probability=1.0")[0] == "language unsure"


def test_a_language_that_there_is_not_is_told(kept: Any) -> None:
    with pytest.raises(ConfigError, match=r"filter language: klingon not known; known: .*, en, "):
        kept("data.filters.language.languages=[klingon]")
