"""Which of two answers people prefer: what is asked about each row, and the evaluation that follows from the votes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetune_lab.maths.rater_noise import Rated
from finetune_lab.maths.tests import mcnemar
from finetune_lab.people.gold import Gold, GoldItem
from finetune_lab.people.items import Ballot, Item, Option, alike, distinct
from finetune_lab.people.tally import (
    Counted,
    agreement_of,
    averaged,
    by_rater,
    counted,
    gold_told,
    said_counts,
    shown,
    sides,
    spread,
    voted,
)
from finetune_lab.people.votes import Vote
from finetune_lab.records import Answer, Evaluation, Sample, Score, Statistic

OPTIONS = (
    Option(value="left", label="answer 1 is better", typed=("1", "l", "left")),
    Option(value="right", label="answer 2 is better", typed=("2", "r", "right")),
    Option(value="tie", label="equally good", typed=("3", "t", "tie")),
    Option(value="bad", label="both bad", typed=("4", "b", "bad")),
)
LEVEL = 0.5  # of a tie, of two bad answers, and of the same answer twice


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """The answers of two arms to the same rows."""

    rows: tuple[Sample, ...]
    reference: tuple[str, ...]
    candidate: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Sample], reference: Sequence[Answer], candidate: Sequence[Answer]) -> "Pairing":
        """From what both wrote, in the order of the rows."""
        texts = (tuple(answer.text for answer in answers) for answers in (reference, candidate))
        return cls(rows=tuple(rows), reference=next(texts), candidate=next(texts))

    def items(self) -> list[Item | None]:
        """One for each row; None where both answers are the same text."""
        return [
            None if alike([one, other]) else Item.of(row.prompt, [one, other])
            for row, one, other in zip(self.rows, self.reference, self.candidate, strict=True)
        ]

    def ballot(self, question: str, gold: Sequence[GoldItem]) -> Ballot:
        """What people are asked, without a word about whose answers these are."""
        items = distinct(item for item in self.items() if item is not None)
        return Ballot(question=question, hint="", options=OPTIONS, items=items, gold=tuple(one.item for one in gold))


def evaluated(
    pairing: Pairing, votes: Sequence[Vote], gold: Sequence[GoldItem], rule: Gold, confidence: float
) -> Evaluation:
    """The win rate of the candidate with all that is known about the votes behind it.

    Column `win` is a row's mean over its raters; `win_left_out` are jackknife values that carry the noise of raters.
    """
    items = [None if item is None else item.id for item in pairing.items()]
    found = counted(votes, [name for name in items if name is not None], gold, rule)
    ours = {
        item.id: next(answer.id for answer in item.answers if answer.text == text)
        for item, text in zip(pairing.items(), pairing.candidate, strict=True)
        if item is not None
    }

    def win(item: str, vote: Vote) -> float:
        return _win(vote, ours[item])

    groups = [row.group for row in pairing.rows]
    kept = voted(found, items)
    whole = averaged(found, win, items, groups, LEVEL, confidence)
    columns = {
        "win": spread(whole.values.tolist(), kept, len(items)),
        "win_left_out": spread(whole.left_out.tolist(), kept, len(items)),
    }
    return Evaluation(
        samples=tuple(row.id for row in pairing.rows),
        clusters=tuple(groups),
        columns=columns,
        scores=(_score(whole if kept else None),),
        details=tuple(_detail(pairing, place, found, ours, items[place]) for place in range(len(items))),
        counts=_counts(found, whole, items, columns["win"], win, confidence),
    )


def _win(vote: Vote, candidate: str) -> float:
    if vote.said not in ("left", "right"):
        return LEVEL
    return float(vote.shown[vote.said == "right"] == candidate)


def _score(whole: Rated | None) -> Score:
    return Score(
        name="win_rate",
        value=None if whole is None else whole.value,
        higher_is_better=True,
        statistic=Statistic(kind="jackknife", of="win_left_out", null=LEVEL),
        unit="share",
    )


def _counts(
    found: Counted, whole: Rated, items: Sequence[str | None], wins: Sequence[float | None], win: Any, confidence: float
) -> dict[str, Any]:
    known = [value for value in wins if value is not None]
    won, lost = sum(value > LEVEL for value in known), sum(value < LEVEL for value in known)
    said = said_counts(found)

    def value_of(vote: Vote) -> float:
        return float(win(vote.item, vote))

    def kind_of(vote: Vote) -> float:
        return 2.0 if vote.said == "bad" else value_of(vote)

    return {
        "votes": found.num_votes,
        "raters": by_rater(found, value_of),
        "rows": len(items),
        "same_text": sum(item is None for item in items),
        "unscored": len(items) - len(known),
        "wins": won,
        "losses": lost,
        "ties": len(known) - won - lost,
        "win_rate": _within(shown(whole)),
        "win_rate_items_only": _within({"low": whole.items_only.low, "high": whole.items_only.high}),
        "sign_test": {"won": won, "lost": lost, "p_value": mcnemar(won, lost).p_value},
        "both_bad": said["bad"] / found.num_votes if found.num_votes else None,
        "left_chosen": sides(found, confidence),
        "agreement": agreement_of(found, value_of, kind_of, confidence),
        "gold": gold_told(found),
        "left_out": found.left_out,
        "votes_digest": found.digest,
    }


def _within(told: dict[str, float]) -> dict[str, float]:
    """A share is never beyond its ends, though Student's interval is."""
    return {name: min(max(value, 0.0), 1.0) if value == value else value for name, value in told.items()}


def _detail(pairing: Pairing, place: int, found: Counted, ours: dict[str, str], item: str | None) -> dict[str, Any]:
    row = pairing.rows[place]
    said = {} if item is None else found.by_item.get(item, {})
    return {
        "sample": row.id,
        "prompt": [dict(turn) for turn in row.prompt],
        "reference": pairing.reference[place],
        "candidate": pairing.candidate[place],
        "votes": {rater: {"said": vote.said, "win": _win(vote, ours[vote.item])} for rater, vote in said.items()},
    }
