"""How good people find single answers, on a scale that a config declares."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator

from finetune_lab.errors import ConfigError
from finetune_lab.people.gold import Gold, GoldItem
from finetune_lab.people.items import Ballot, Item, Option, distinct
from finetune_lab.people.tally import (
    agreement_of,
    averaged,
    by_rater,
    counted,
    gold_told,
    shown,
    spread,
    voted,
)
from finetune_lab.people.votes import Vote
from finetune_lab.plugin import plugin
from finetune_lab.records import Answer, Evaluation, Sample, Score, Statistic

_MOST_POINTS = 21


@plugin
class Scale:
    """Whole points from `lowest` to `highest`; the labels say what the ends mean. Higher is better."""

    lowest: int
    highest: int
    lowest_label: Annotated[str, Field(min_length=1)]
    highest_label: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _ends(self) -> "Scale":
        if not 1 <= self.highest - self.lowest < _MOST_POINTS:
            raise ConfigError(
                f"scale: from {self.lowest} to {self.highest}; it should have 2 to {_MOST_POINTS} points, upwards"
            )
        return self

    @property
    def middle(self) -> float:
        return (self.lowest + self.highest) / 2

    def options(self) -> tuple[Option, ...]:
        """One for every point, typed as its number."""
        points = map(str, range(self.lowest, self.highest + 1))
        return tuple(Option(value=point, label=point, typed=(point,)) for point in points)

    def hint(self) -> str:
        """What the ends mean, for people."""
        return f"{self.lowest} = {self.lowest_label}, {self.highest} = {self.highest_label}"


def item_of(row: Sample, answer: Answer) -> Item:
    """An answer to be rated: the same text by two models is one item."""
    return Item.of(row.prompt, [answer.text])


def ballot_of(
    question: str, scale: Scale, rows: Sequence[Sample], answers: Sequence[Sequence[Answer]], gold: Sequence[GoldItem]
) -> Ballot:
    """The answers of all artifacts as one heap."""
    items = distinct(item_of(row, answer) for column in answers for row, answer in zip(rows, column, strict=True))
    golden = tuple(one.item for one in gold)
    return Ballot(question=question, hint=scale.hint(), options=scale.options(), items=items, gold=golden)


def evaluated(
    rows: Sequence[Sample],
    answers: Sequence[Answer],
    votes: Sequence[Vote],
    gold: Sequence[GoldItem],
    rule: Gold,
    confidence: float,
) -> Evaluation:
    """The mean rating of one artifact's answers; column `rating` is a row's mean over its raters."""
    items = [item_of(row, answer).id for row, answer in zip(rows, answers, strict=True)]
    found = counted(votes, items, gold, rule)
    groups = [row.group for row in rows]
    kept = voted(found, items)
    whole = averaged(found, lambda _, vote: float(vote.said), items, groups, 0.0, confidence)
    column = spread(whole.values.tolist(), kept, len(rows))
    counts: dict[str, Any] = {
        "votes": found.num_votes,
        "raters": by_rater(found, _points),
        "rows": len(rows),
        "unscored": len(rows) - len(kept),
        "mean_rating": shown(whole),
        "agreement": agreement_of(found, _points, _points, confidence),
        "gold": gold_told(found),
        "left_out": found.left_out,
        "votes_digest": found.digest,
    }
    score = Score(
        name="mean_rating",
        value=whole.value if kept else None,
        higher_is_better=True,
        statistic=Statistic(kind="mean", of="rating"),
        unit="points",
    )
    details = (
        {
            "sample": row.id,
            "prompt": [dict(turn) for turn in row.prompt],
            "answer": answer.text,
            "ratings": {rater: _points(vote) for rater, vote in found.by_item.get(item, {}).items()},
        }
        for row, answer, item in zip(rows, answers, items, strict=True)
    )
    return Evaluation(
        samples=tuple(row.id for row in rows),
        clusters=tuple(groups),
        columns={"rating": column},
        scores=(score,),
        details=tuple(details),
        counts=counts,
    )


def _points(vote: Vote) -> float:
    return float(vote.said)
