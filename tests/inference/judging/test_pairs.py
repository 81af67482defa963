"""Verdicts of both orders made one."""

import pytest

from finetune_lab.inference.clients.exchange import Failure, Reply
from finetune_lab.inference.judging.pairs import Pair, consistent, first_favoured, judged, position, questions

PAIR = Pair(conversation="?", reference="one", candidate="other")


def said(verdict, finish="end"):
    return Reply(text=f"Verdict: {verdict}", num_input_tokens=1, num_output_tokens=1, finish=finish)


@pytest.mark.parametrize(
    ("second", "first", "win", "agrees", "leaning"),
    [
        ("A<B", "A>>B", 1.0, 1.0, 0.0),
        ("A>>B", "A<B", 0.0, 1.0, 0.0),
        ("A=B", "A=B", 0.5, 1.0, 0.0),
        ("A>B", "A>B", 0.5, 0.0, 1.0),
        ("A<B", "A<B", 0.5, 0.0, -1.0),
        ("A=B", "A>B", 0.5, 0.0, 0.5),
    ],
)
def test_a_win_holds_in_both_orders(second, first, win, agrees, leaning):
    """First the reference stands first, so that its A is the reference; then the candidate does."""
    (one,) = judged([PAIR], [said(second), said(first)])
    assert (one.win, consistent(one), first_favoured(one)) == (win, agrees, leaning)


def test_without_a_verdict_in_both_orders_there_is_none():
    failure = Failure(kind="timeout", reason="no reply in time")
    outcomes = [said("A>B"), failure, said("?"), said("A>B"), said("?", finish="length"), said("A>B")]
    found = judged([PAIR] * 3, outcomes)
    assert [one.win for one in found] == [None] * 3
    assert [one.reason for one in found] == [
        "no reply: timeout",
        "no verdict in the answer",
        "cut off before a verdict",
    ]
    assert position(found, [0, 1, 2], 0.95)["consistency"] is None


def test_equal_texts_are_a_tie_and_no_question():
    alike = Pair(conversation="?", reference="same ", candidate="same")
    assert len(questions([alike, PAIR], "plain", "answer", "- a")) == 2
    (first, second) = judged([alike, PAIR], [said("A<B"), said("A>B")])
    assert (first.win, second.win) == (0.5, 1.0)
    assert consistent(first) is None


def test_both_orders_are_asked():
    one, other = (request.messages[0]["content"] for request in questions([PAIR], "panel", "answer", "- a"))
    assert one.index("\none\n") < one.index("\nother\n")
    assert other.index("\nother\n") < other.index("\none\n")
