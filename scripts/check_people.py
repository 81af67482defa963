"""Check the win rate of people: how often its interval holds the truth, where items and raters have minds of their own.

    python scripts/check_people.py [--surveys 500]

Each survey draws new items, new raters and new votes. P(a rater prefers the candidate on an item) has the logit
m + item + rater, m such that the mean over all items and raters is the planted preference; 15 % of votes are ties.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.logistic import expit
from finetune_lab.people.gold import Gold
from finetune_lab.people.items import in_places
from finetune_lab.people.pairs import LEVEL, Pairing
from finetune_lab.people.tally import averaged, counted
from finetune_lab.people.votes import Vote
from finetune_lab.records import Sample

PLANTED, TIES, CONFIDENCE = 0.7, 0.15, 0.95
NO_GOLD = Gold(share=0, file=None, needed=None, after=1)


@dataclass(frozen=True, kw_only=True)
class Case:
    """`share`: of the items that each rater votes on; deviations of items and raters in logits."""

    num_items: int
    num_raters: int
    share: float
    items: float
    raters: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """Of all surveys of a case: the mean estimate, how often either interval held the truth, and the mean width."""

    mean: float
    coverage: float
    coverage_items_only: float
    width: float


CASES = [
    Case(num_items=num_items, num_raters=num_raters, share=share, items=1.0, raters=raters)
    for num_items, num_raters, share in ((40, 4, 1.0), (40, 12, 1.0), (60, 12, 0.25), (100, 6, 0.2))
    for raters in (0.0, 0.5, 1.0)
]


def pairing(num_items: int) -> Pairing:
    """Rows with two answers that differ."""
    turns = [[{"role": "user", "content": f"q{n}"}] for n in range(num_items)]
    old, new = (tuple(f"{name} {n}" for n in range(num_items)) for name in ("old", "new"))
    return Pairing(rows=tuple(Sample.of(messages=turn) for turn in turns), reference=old, candidate=new)


def middle(case: Case) -> float:
    """The logit m of which the planted preference is the mean over items and raters."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    spread = nodes * (case.items**2 + case.raters**2) ** 0.5
    low, high = -6.0, 6.0
    for _ in range(60):
        half = (low + high) / 2
        mean = float(weights @ expit(half + spread)) / float(weights.sum())
        low, high = (half, high) if mean < PLANTED else (low, half)
    return low


def votes(case: Case, made: Pairing, logit: float, drawn: np.random.Generator) -> Iterator[Vote]:
    """One survey: who votes on what, and what they say, with sides as a sitting draws them."""
    items, own = made.items(), drawn.standard_normal(case.num_items) * case.items
    for number in range(case.num_raters):
        lean, name = drawn.standard_normal() * case.raters, f"rater {number}"
        for place in np.flatnonzero(drawn.random(case.num_items) < case.share):
            item = items[place]
            assert item is not None
            shown = in_places(tuple(answer.id for answer in item.answers), item.id, name, "0")
            texts = {answer.id: answer.text for answer in item.answers}
            wins = drawn.random() < float(expit(np.asarray(logit + own[place] + lean)))
            left = (texts[shown[0]] == made.candidate[place]) == wins
            said = "tie" if drawn.random() < TIES else "left" if left else "right"
            yield Vote(item=item.id, shown=shown, said=said, rater=name, time="", seconds=None, source="simulated")


def one_survey(case: Case, made: Pairing, logit: float, drawn: np.random.Generator) -> NDArray[np.float64]:
    """The estimate and both intervals, as the evaluator makes them."""
    items = [item.id for item in made.items() if item is not None]
    ours = dict(zip(items, made.candidate, strict=True))
    texts = {answer.id: answer.text for item in made.items() if item is not None for answer in item.answers}

    def win(item: str, vote: Vote) -> float:
        if vote.said == "tie":
            return LEVEL
        return float(texts[vote.shown[vote.said == "right"]] == ours[item])

    found = counted(list(votes(case, made, logit, drawn)), items, (), NO_GOLD)
    whole = averaged(found, win, items, [row.group for row in made.rows], LEVEL, CONFIDENCE)
    ends = (whole.interval.low, whole.interval.high, whole.items_only.low, whole.items_only.high)
    return np.array([whole.value, *ends])


def check(case: Case, num_surveys: int, seed: int) -> Found:
    """What the intervals of so many surveys are worth."""
    drawn, made, logit = np.random.default_rng(seed), pairing(case.num_items), middle(case)
    truth = (1 - TIES) * PLANTED + TIES * LEVEL
    table = np.stack([one_survey(case, made, logit, drawn) for _ in range(num_surveys)])
    value, low, high, plain_low, plain_high = table.T
    return Found(
        mean=float(value.mean()),
        coverage=float(np.mean((low <= truth) & (truth <= high))),
        coverage_items_only=float(np.mean((plain_low <= truth) & (truth <= plain_high))),
        width=float(np.mean(np.minimum(high, 1) - np.maximum(low, 0))),
    )


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--surveys", type=int, default=500)
    num_surveys = asked.parse_args().surveys
    truth = (1 - TIES) * PLANTED + TIES * LEVEL
    print(f"{num_surveys} surveys a line; planted win rate {truth:.3f}; intervals of {CONFIDENCE:.0%}\n")
    print("| items | raters | each rater's share | raters' deviation | mean | covers | items only | width |")
    print("|---|---|---|---|---|---|---|---|")
    for number, case in enumerate(CASES):
        found = check(case, num_surveys, number)
        print(
            f"| {case.num_items} | {case.num_raters} | {case.share:.0%} | {case.raters:g} | {found.mean:.3f} "
            f"| {found.coverage:.3f} | {found.coverage_items_only:.3f} | {found.width:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
