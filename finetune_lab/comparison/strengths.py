"""Who is how strong where several arms met in pairs: Bradley–Terry over all contrasts of a group that count wins."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from finetune_lab.comparison.contenders import Contender
from finetune_lab.maths.winrate import bradley_terry

_WIN = "win"  # the column in which a contrast says who won: 1 its subject, 0 its reference, 0.5 neither


@dataclass(frozen=True, kw_only=True)
class Strength:
    """One arm's strength in logits with the mean of all at zero.

    None where no finite strength exists: an arm has won, or lost, every single pair.
    """

    evaluator: str
    label: str
    strength: float | None
    low: float | None
    high: float | None
    confidence: float
    num_pairs: int


@dataclass(frozen=True, kw_only=True)
class _Meetings:
    """Pairs of contenders, by place, who won, and on which sample."""

    first: list[int]
    second: list[int]
    won: list[float]
    prompts: list[str]


def strengths(store: Any, contenders: Sequence[Contender], *, confidence: float) -> list[Strength]:
    """The strengths of all who met, for each evaluator that set three or more of them against one another."""
    owner = {run: place for place, one in enumerate(contenders) for run in one.runs}
    found: list[Strength] = []
    for evaluator, meetings in _meetings(store, contenders, owner).items():
        places = sorted({*meetings.first, *meetings.second})
        if len(places) > 2:
            found += _fitted(evaluator, [contenders[place].label for place in places], places, meetings, confidence)
    return found


def _meetings(store: Any, contenders: Sequence[Contender], owner: Mapping[str, int]) -> dict[str, _Meetings]:
    met: dict[str, _Meetings] = defaultdict(lambda: _Meetings(first=[], second=[], won=[], prompts=[]))
    scored = {(score.subject, score.measure): score for score in store.scores(list(owner)) if score.reference in owner}
    wanted = {(run, measure) for one in contenders for by in one.measures.values() for run, measure in by.items()}
    for (run, measure), score in scored.items():
        if (run, measure) not in wanted or owner[run] == owner[score.reference]:
            continue
        columns = store.columns(run, measure)
        if _WIN not in columns.columns:
            continue
        into = met[score.evaluator]
        for win, cluster in zip(columns.columns[_WIN], columns.clusters, strict=True):
            if win is not None and isfinite(win):
                into.first.append(owner[run])
                into.second.append(owner[score.reference])
                into.won.append(float(win))
                into.prompts.append(str(cluster))
    return met


def _fitted(
    evaluator: str, labels: list[str], places: list[int], meetings: _Meetings, confidence: float
) -> list[Strength]:
    number = {place: index for index, place in enumerate(places)}
    first = np.array([number[place] for place in meetings.first])
    second = np.array([number[place] for place in meetings.second])
    _, prompts = np.unique(np.array(meetings.prompts), return_inverse=True)
    fit = bradley_terry(labels, first, second, np.array(meetings.won), prompts, confidence=confidence)
    found = [
        Strength(
            evaluator=evaluator,
            label=label,
            strength=_finite(fit.values[index]),
            low=_finite(fit.intervals[index].low),
            high=_finite(fit.intervals[index].high),
            confidence=confidence,
            num_pairs=int(np.sum((first == index) | (second == index))),
        )
        for index, label in enumerate(labels)
    ]
    return sorted(found, key=lambda one: -(one.strength if one.strength is not None else -np.inf))


def _finite(value: float) -> float | None:
    return float(value) if isfinite(value) else None
