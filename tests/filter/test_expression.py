"""Conditions of one's own over fields, facts and texts; rows in which they mean nothing are told apart."""

from typing import Any

import pytest

from finetune_lab.errors import ConfigError


@pytest.fixture
def reasons(lab: Any) -> Any:
    def judged(condition: str, *rows: Any) -> list[str | None]:
        made = lab("filter@data.filters=[expression]", f'data.filters.expression.condition="{condition}"')
        return [verdict.reason for verdict in made.data.filters["expression"].keep(rows)]

    return judged


def test_fields_facts_and_texts_have_names(reasons: Any, candidate: Any) -> None:
    rows = [
        candidate(prompt="a b", answer="one two three", fields={"score": 3, "a b": 1}, facts={"label": "x"}),
        candidate(prompt="a b", answer="one", fields={"score": 3, "a b": 1}, facts={"label": "x"}),
        candidate(answer="one two three", fields={"score": 3, "a b": 2}, facts={"label": "y"}),
    ]
    wanted = "len(words(answer)) >= 2 and score > 2 and label in ['x'] and row['a b'] == 1 and num_turns == 2"
    assert [reason is None for reason in reasons(wanted, *rows)] == [True, False, False]


def test_what_cannot_be_worked_out_has_a_reason_of_its_own(reasons: Any, candidate: Any) -> None:
    rows = [candidate(fields={"score": value}) for value in (5, 1, None, "high")] + [candidate()]
    assert reasons("score > 2", *rows) == [
        *(None, "not: score > 2", *["condition cannot be worked out"] * 2, "no score")
    ]


def test_a_condition_that_is_none_is_told_before_anything_is_done(reasons: Any) -> None:
    for condition, told in (("__import__('os').system('x')", "no function here"), ("a >", "cannot be read")):
        with pytest.raises(ConfigError, match=rf"data\.filters\.expression\.condition: .*{told}"):
            reasons(condition)
