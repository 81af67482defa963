"""Swear words are found as they are spelt to slip through, and not inside other words."""

from typing import Any

import pytest

pytest.importorskip("glin_profanity", reason="pip install .[data]")


@pytest.fixture
def reason(lab: Any, candidate: Any) -> Any:
    def judged(text: str, *options: str) -> str | None:
        one = lab("filter@data.filters=[profanity]", *options).data.filters["profanity"]
        return one.keep([candidate(answer=text)])[0].reason

    return judged


@pytest.mark.parametrize("text", ["what a bitch", "BULLSHIT!", "f.u.c.k that", "total sh1t"])
def test_profanity_is_found(text: str, reason: Any) -> None:
    assert reason(text) == "has profanity"


@pytest.mark.parametrize(
    "text", ["a classic assessment of Scunthorpe", "pass the cocktail, grass and class", "nothing here"]
)
def test_words_that_hold_others_stay(text: str, reason: Any) -> None:
    assert reason(text) is None


def test_lists_are_changed_by_name(reason: Any) -> None:
    assert reason("the escort arrived") == "has profanity"
    assert reason("the escort arrived", "data.filters.profanity.allowed=[escort]") is None
    assert reason("you muppet", "data.filters.profanity.more=[muppet]") == "has profanity"
