"""From votes on pairs to an evaluation: planted preferences, sides, disagreement, and what does not count."""

from typing import Any

import pytest

from finetune_lab.people.gold import Gold
from finetune_lab.people.items import in_places
from finetune_lab.people.pairs import Pairing, evaluated
from finetune_lab.people.tally import counted
from finetune_lab.people.votes import Vote
from finetune_lab.records import Sample

RULE = Gold(share=0.2, file=None, needed=0.7, after=2)


def pairing(num: int) -> Pairing:
    turns = [
        [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"{n} a b c d e"}] for n in range(num)
    ]
    rows = tuple(Sample.of(messages=turn) for turn in turns)
    return Pairing(
        rows=rows, reference=tuple(f"old {n}" for n in range(num)), candidate=tuple(f"new {n}" for n in range(num))
    )


def vote(made: Pairing, place: int, said: str, rater: str = "ada") -> Vote:
    """`said`: candidate, reference, tie or bad."""
    item = made.items()[place]
    assert item is not None
    shown = in_places(tuple(answer.id for answer in item.answers), item.id, rater, "0")
    text = {answer.id: answer.text for answer in item.answers}[shown[0]]
    left = "candidate" if text == made.candidate[place] else "reference"
    value = said if said in ("tie", "bad") else "left" if said == left else "right"
    return Vote(item=item.id, shown=shown, said=value, rater=rater, time="t", seconds=None, source="terminal")


def test_wins_are_the_candidates_on_whichever_side_it_stood() -> None:
    made = pairing(20)
    votes = [vote(made, n, "candidate" if n < 14 else "reference") for n in range(20)]
    assert {one.said for one in votes} == {"left", "right"}
    found = evaluated(made, votes, (), RULE, 0.95)
    assert found.columns["win"] == [1.0] * 14 + [0.0] * 6
    (score,) = found.scores
    assert (score.name, score.value, score.statistic.null) == ("win_rate", pytest.approx(0.7), 0.5)
    counts = found.counts
    assert counts["sign_test"]["p_value"] == pytest.approx(0.1153, abs=1e-4)  # binomial, 14 of 20, both sides
    assert counts["win_rate"]["low"] < 0.7 < counts["win_rate"]["high"]
    assert counts["left_chosen"]["num"] == 20
    assert found.details[0]["votes"] == {"ada": {"said": votes[0].said, "win": 1.0}}


def test_ties_both_bad_same_text_and_no_vote() -> None:
    made = pairing(5)
    same = Pairing(rows=made.rows, reference=(*made.reference[:4], "x"), candidate=(*made.candidate[:4], " x"))
    votes = [vote(same, 0, "tie"), vote(same, 1, "bad"), vote(same, 2, "candidate")]
    found = evaluated(same, votes, (), RULE, 0.95)
    assert found.columns["win"] == [0.5, 0.5, 1.0, None, 0.5]
    assert (found.counts["same_text"], found.counts["unscored"], found.counts["ties"]) == (1, 1, 3)
    assert found.counts["both_bad"] == pytest.approx(1 / 3)
    assert found.scores[0].value == pytest.approx(2.5 / 4)


def test_somebody_who_always_takes_the_left_is_seen() -> None:
    made = pairing(40)
    items = [item for item in made.items() if item is not None]
    votes = [
        Vote(
            item=item.id,
            shown=in_places(tuple(answer.id for answer in item.answers), item.id, "ada", "0"),
            said="left",
            rater="ada",
            time="t",
            seconds=None,
            source="terminal",
        )
        for item in items
    ]
    told = evaluated(made, votes, (), RULE, 0.95).counts["left_chosen"]
    assert told["value"] == 1.0
    assert told["p_value"] < 1e-9
    assert told["raters"]["ada"]["num"] == 40


def test_agreement_and_raters_as_noise() -> None:
    made = pairing(10)
    votes = [vote(made, n, "candidate" if n % 2 else "reference") for n in range(10)]
    votes += [vote(made, n, "candidate" if n % 2 else "reference", "bob") for n in range(10)]
    counts = evaluated(made, votes, (), RULE, 0.95).counts
    assert counts["agreement"]["krippendorff_alpha"]["value"] == pytest.approx(1.0)
    assert counts["agreement"]["pairs"]["ada ~ bob"]["same"] == 1.0
    votes = [*votes[:10], *(vote(made, n, "candidate", "bob") for n in range(10))]
    counts = evaluated(made, votes, (), RULE, 0.95).counts
    assert counts["agreement"]["pairs"]["ada ~ bob"]["same"] == 0.5
    plain, whole = counts["win_rate_items_only"], counts["win_rate"]
    assert whole["high"] - whole["low"] > plain["high"] - plain["low"]


def test_two_kinds_of_one_half_are_no_agreement() -> None:
    made = pairing(3)
    votes = [vote(made, n, said, who) for n in range(3) for who, said in (("ada", "tie"), ("bob", "bad"))]
    assert evaluated(made, votes, (), RULE, 0.95).counts["agreement"]["pairs"]["ada ~ bob"]["same"] == 0.0


def test_failed_gold_leaves_a_rater_out_and_the_report_says_so() -> None:
    made = pairing(10)
    gold = RULE.pairs(made.rows, 10)
    votes: list[Any] = [vote(made, n, "candidate", who) for n in range(10) for who in ("ada", "bob")]
    for one in gold:
        ids = tuple(answer.id for answer in one.item.answers)
        right = "left" if ids[0] == one.better else "right"
        for who, said in (("ada", right), ("bob", "tie")):
            votes.append(
                Vote(item=one.item.id, shown=ids, said=said, rater=who, time="t", seconds=None, source="terminal")
            )
    counts = evaluated(made, votes, gold, RULE, 0.95).counts
    assert counts["left_out"] == ["bob"]
    assert counts["votes"] == 10
    assert counts["gold"] == {
        "ada": {"right": 2, "num": 2, "left_out": False},
        "bob": {"right": 0, "num": 2, "left_out": True},
    }


def test_votes_on_other_answers_are_not_read() -> None:
    made, other = pairing(3), pairing(3)
    other = Pairing(rows=other.rows, reference=other.reference, candidate=("another",) * 3)
    votes = [vote(made, 0, "candidate"), vote(other, 1, "candidate")]
    found = evaluated(made, votes, (), RULE, 0.95)
    assert found.columns["win"] == [1.0, None, None]
    ids = [item.id for item in made.items() if item is not None]
    assert found.counts["votes_digest"] == counted(votes[:1], ids, (), RULE).digest
    again = evaluated(made, [*votes, vote(made, 0, "tie")], (), RULE, 0.95)
    assert again.counts["votes_digest"] != found.counts["votes_digest"]
    assert again.columns["win"] == [0.5, None, None]


def test_the_ballot_is_the_same_whoever_is_the_candidate() -> None:
    made = pairing(5)
    swapped = Pairing(rows=made.rows, reference=made.candidate, candidate=made.reference)
    gold = RULE.pairs(made.rows, 5)
    assert made.ballot("Which?", gold) == swapped.ballot("Which?", gold)
