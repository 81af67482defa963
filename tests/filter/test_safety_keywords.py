"""The highest severity counts; rows go from one severity on, or all stay and carry what was found."""

from typing import Any

import pytest

from finetune_lab.errors import ConfigError

TEXTS = ["a nice day", "how to hack a bomb", "a hack for pasta", "to smuggle weapons", "skills and bombastic words"]


@pytest.fixture
def judged(lab: Any, candidate: Any) -> Any:
    def judge(*options: str, **row: Any) -> Any:
        one = lab("filter@data.filters=[safety_keywords]", *options).data.filters["safety_keywords"]
        return one.keep([candidate(prompt=text, **row) for text in TEXTS])

    return judge


def test_rows_from_a_severity_on_go_with_the_words_that_were_found(judged: Any) -> None:
    verdicts = judged("data.filters.safety_keywords.drop_from=medium")
    assert [v.reason for v in verdicts] == [
        *(None, "unsafe by keywords, severity high", None, "unsafe by keywords, severity medium"),
        "unsafe by keywords, severity high",  # bomb- begins bombastic: words know no meaning
    ]
    assert verdicts[1].detail == "bomb"


def test_without_a_limit_all_stay_and_carry_label_and_severity(judged: Any) -> None:
    facts = [v.facts for v in judged("data.filters.safety_keywords.drop_from=null")]
    assert [f["severity"] for f in facts] == ["none", "high", "low", "medium", "high"]
    assert [f["label"] for f in facts] == ["safe", "unsafe", "unsafe", "unsafe", "unsafe"]
    assert facts[2] == {"label": "unsafe", "label_source": "heuristic", "severity": "low", "keywords": ["hack"]}


def test_a_label_that_is_there_stands(judged: Any) -> None:
    assert all(
        "label" not in v.facts for v in judged("data.filters.safety_keywords.drop_from=null", facts={"label": "safe"})
    )


def test_a_full_stop_ends_a_word_and_an_unknown_severity_is_told(lab: Any, candidate: Any) -> None:
    rows = [candidate(prompt=text) for text in ("rape", "rapeseed oil")]
    one = lab("filter@data.filters=[safety_keywords]", "data.filters.safety_keywords.keywords.high=[rape.]")
    found = one.data.filters["safety_keywords"].keep(rows)
    assert [v.reason is None for v in found] == [False, True]
    with pytest.raises(ConfigError, match=r"safety_keywords\.keywords"):
        lab("filter@data.filters=[safety_keywords]", "+data.filters.safety_keywords.keywords.extreme=[x]")
