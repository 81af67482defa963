"""A sitting: every open item once, undo, skip, several raters, gold among the others, and a file that goes on."""

from collections import Counter
from typing import Any

import pytest

from finetune_lab.people.queue import NotPossibleError
from finetune_lab.people.votes import latest, read_votes


def finish(queue: Any, said: str = "left") -> list[str]:
    seen = []
    while (showing := queue.next()) is not None:
        seen.append(showing.item.id)
        queue.vote(showing, said)
    return seen


def test_every_item_is_asked_once_in_an_order_of_the_raters_own(queue: Any) -> None:
    one, other = queue(overlap=1.0), queue("bob", overlap=1.0)
    mine, theirs = finish(one), finish(other)
    assert sorted(mine) == sorted(theirs) == sorted(item.id for item in one.ballot.items)
    assert mine != theirs
    assert queue("cem", overlap=1.0).next() is None  # two raters are all that an item is for


def test_an_item_of_one_rater_is_not_asked_again(queue: Any) -> None:
    assert len(finish(queue())) == 4
    assert queue("bob").next() is None
    assert queue().progress().done == 4


def test_a_sitting_goes_on_after_a_kill(queue: Any) -> None:
    first = queue()
    showing = first.next()
    first.vote(showing, "tie")
    again = queue()
    left = finish(again)
    assert showing.item.id not in left
    assert len(left) == 3


def test_undo_replaces_and_skip_comes_last(queue: Any) -> None:
    sitting = queue()
    assert sitting.back() is None
    first = sitting.next()
    sitting.vote(first, "left")
    second = sitting.next()
    sitting.vote(second, "bad")
    again = sitting.back()
    assert again.item == second.item
    assert again.answers == second.answers  # the same sides as before
    assert sitting.back().item == first.item
    sitting.vote(first, "right")
    skipped = sitting.next()
    sitting.skip(skipped)
    assert finish(sitting)[-1] == skipped.item.id
    said = latest(read_votes(sitting.votes))
    assert said[first.item.id, "ada"].said == "right"
    assert said[second.item.id, "ada"].said == "bad"
    assert len(said) == 4


def test_what_is_no_answer_is_not_written(queue: Any) -> None:
    sitting = queue()
    with pytest.raises(NotPossibleError, match="there are: left, right, tie, bad"):
        sitting.vote(sitting.next(), "both")
    assert not sitting.votes.exists()


def test_gold_is_for_everybody_and_never_alone(queue: Any) -> None:
    seen = finish(queue(num=8, num_gold=3))
    gold = {item.id for item in queue(num=8, num_gold=3).ballot.gold}
    assert 0 < len(gold & set(seen)) <= 3
    assert seen[-1] not in gold  # nobody is kept for gold alone
    assert queue("bob", num=8, num_gold=3).next() is None
    assert queue(num=8, num_gold=3).progress().total == 8


def test_overlap_is_the_share_that_is_asked_for(queue: Any, plan: Any, pair_items: Any) -> None:
    items = pair_items(600)
    wanted = Counter(plan(overlap=0.3, raters_each=3).num_raters(item) for item in items)
    assert set(wanted) == {1, 3}
    assert abs(wanted[3] - 180) < 45
    assert plan(overlap=0.3, raters_each=3).num_votes(items) == wanted[1] + 3 * wanted[3]
