"""Who has to look at what: one reviewer for most rows, two for a share, nobody twice; nonsense is refused."""

from pathlib import Path
from typing import Any

import pytest

from finetune_lab.preparing.decisions import agreements, read_decisions
from finetune_lab.preparing.review_queue import NotPossibleError, ReviewQueue
from finetune_lab.records import Sample

ROWS = [Sample.of(text=f"text {number}", facts={"label": "a"}) for number in range(100)]


@pytest.fixture
def queue(tmp_path: Path) -> Any:
    def make(reviewer: str = "ada", *, twice: float = 0.0, labels: tuple[str, ...] = ()) -> ReviewQueue:
        path = tmp_path / "decisions.jsonl"
        return ReviewQueue(rows=ROWS, decisions=path, reviewer=reviewer, twice=twice, label="label", labels=labels)

    return make


def review_all(queue: ReviewQueue) -> int:
    done = 0
    while (row := queue.next_row()) is not None:
        queue.decide(row, "keep")
        done += 1
    return done


def test_every_row_once_and_a_share_by_two_whoever_comes_first(queue: Any) -> None:
    shared = sum(queue(twice=0.25).num_reviews(row) == 2 for row in ROWS)
    assert 10 < shared < 40
    assert review_all(queue("ada", twice=0.25)) == 100
    assert review_all(queue("bob", twice=0.25)) == shared
    assert review_all(queue("carl", twice=0.25)) == 0
    (one,) = agreements(read_decisions(queue().decisions))
    assert one.num_rows == shared


def test_a_review_goes_on_where_it_stopped(queue: Any) -> None:
    first = queue()
    for kind in ("keep", "drop"):
        first.decide(first.next_row(), kind)
    again = queue()
    assert again.next_row() == ROWS[2]
    assert (again.progress().done, again.progress().own) == (2, {"keep": 1, "drop": 1})
    assert again.last_own() == ROWS[1]


def test_what_is_skipped_comes_last(queue: Any) -> None:
    one = queue()
    one.skip(ROWS[0])
    assert one.next_row() == ROWS[1]
    for row in ROWS[2:]:
        one.decide(row, "keep")
    for due in (ROWS[1], ROWS[0], ROWS[1], ROWS[0]):  # those that are left come in turn
        assert one.next_row() == due
        one.skip(due)


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("burn", {}, "unknown decision"),
        ("edit", {"text": " \n"}, "needs text"),
        ("edit", {"text": "text 0"}, "unchanged"),
        ("relabel", {"label": ""}, "needs a label"),
        ("relabel", {"label": "c"}, "unknown label 'c'; known: a, b"),
    ],
)
def test_nonsense_is_refused_and_not_written(queue: Any, kind: str, given: dict[str, str], told: str) -> None:
    one = queue(labels=("a", "b"))
    with pytest.raises(NotPossibleError, match=told):
        one.decide(ROWS[0], kind, **given)
    assert not one.decisions.exists()


def test_a_row_of_something_else_is_not_under_review(queue: Any) -> None:
    with pytest.raises(NotPossibleError, match="not under review"):
        queue().row("0123")
