"""Rows that say the same: the first stays, its place is named; or all stay and share a split."""

from typing import Any

import pytest


@pytest.fixture
def chosen(lab: Any) -> Any:
    return lambda *options: lab("filter@data.filters=[exact_duplicates]", *options).data.filters["exact_duplicates"]


def test_the_first_stays_and_case_and_spacing_do_not_count(chosen: Any, candidate: Any) -> None:
    rows = [candidate(prompt=p, answer=a) for p, a in (("Q", "An answer"), ("q ", "an  ANSWER"), ("q", "an answer."))]
    verdicts = chosen().keep(rows)
    assert [v.reason for v in verdicts] == [None, "same text", None]
    assert verdicts[1].detail == "as rows.jsonl, line 1"


def test_the_part_says_what_is_compared(chosen: Any, candidate: Any) -> None:
    rows = [candidate(prompt=p, answer=a) for p, a in (("q", "a"), ("q", "b"), ("r", "b"))]
    for part, due in (("prompt", [None, "same prompt", None]), ("answer", [None, None, "same answer"])):
        assert [v.reason for v in chosen(f"data.filters.exact_duplicates.part={part}").keep(rows)] == due


def test_rows_without_that_part_are_not_the_same(chosen: Any, candidate: Any) -> None:
    rows = [candidate(text="one"), candidate(text="two")]
    assert [v.reason for v in chosen("data.filters.exact_duplicates.part=prompt").keep(rows)] == [None, None]


def test_kept_together(chosen: Any, candidate: Any) -> None:
    rows = [candidate(prompt="q", answer=a) for a in ("a", "b", "c")]
    options = [f"data.filters.exact_duplicates.{o}" for o in ("part=prompt", "action=keep_together")]
    verdicts = chosen(*options).keep(rows)
    assert [v.reason for v in verdicts] == [None] * 3
    assert [v.like for v in verdicts] == [None, rows[0].sample.id, rows[0].sample.id]
