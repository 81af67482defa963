"""Sample by sample: on how many the candidate won, lost, or was level, for every metric."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.compare import Question
from finetune_lab.maths.pairing import Side, pair

ROUNDING = 1e-12  # a gap under this part of the values is what averaging over seeds leaves


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Samples won, lost and level under one metric; each sample's value is its mean over the seeds of an arm."""

    evaluator: str
    name: str
    reference_label: str
    candidate_label: str
    num_wins: int
    num_losses: int
    num_ties: int


def tallies(questions: Sequence[Question]) -> list[Tally]:
    """One tally for each question whose score has a value for each sample: not for jackknife values."""
    return [_tally(question) for question in questions if question.statistic.kind != "jackknife"]


def _tally(question: Question) -> Tally:
    pairs = pair(question.statistic, question.reference, question.candidate)
    one, two = _values(pairs.reference), _values(pairs.candidate)
    gaps = (two - one) * np.sign(question.statistic.scale) * (1 if question.higher_is_better else -1)
    level = np.abs(gaps) <= ROUNDING * np.maximum(np.abs(one), np.abs(two))
    return Tally(
        evaluator=question.evaluator,
        name=question.name,
        reference_label=question.reference.label,
        candidate_label=question.candidate.label,
        num_wins=int(np.sum(~level & (gaps > 0))),
        num_losses=int(np.sum(~level & (gaps < 0))),
        num_ties=int(np.sum(level)),
    )


def _values(side: Side) -> NDArray[np.float64]:
    """The mean over seeds of each sample's own ratio; a sample without denominator in one seed is left out: NaN."""
    return np.asarray((side.of / np.where(side.per == 0, np.nan, side.per)).mean(axis=0))
