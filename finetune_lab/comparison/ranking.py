"""One number from several metrics, by weights that the config declares, and who is best without any weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from finetune_lab.comparison.standing import COSTS, Standing
from finetune_lab.errors import ConfigError
from finetune_lab.plugin import plugin


@plugin
class Term:
    """A metric's part in a composite score. direction higher: weight × value; lower: weight × (1 − value)."""

    metric: str
    weight: Annotated[float, Field(gt=0)]
    direction: Literal["higher", "lower"]


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """One contender's composite score and the parts that it is the sum of; None where a part is not known."""

    rank: int | None
    label: str
    score: float | None
    parts: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Front:
    """The contenders that nobody beats in quality without costing more. `unknown` lack the quality or the cost."""

    quality: str
    costs: tuple[str, ...]
    labels: tuple[str, ...]
    unknown: tuple[str, ...]


def ranking(standings: Sequence[Standing], terms: Sequence[Term]) -> list[Ranked]:
    """All contenders by Σ weight × value, the best first; equal scores share a rank, unknown ones stand last.

    Raises ConfigError for a metric that nobody has, and for a declared direction that is not the metric's own.
    """
    if not terms:
        return []
    for term in terms:
        _check(term, standings)
    found = [(one.label, {term.metric: _part(term, one) for term in terms}) for one in standings]
    scored = [(label, parts, _sum(list(parts.values()))) for label, parts in found]
    known = [score for _, _, score in scored if score is not None]
    ready = [
        Ranked(
            rank=None if score is None else 1 + sum(other > score for other in known),
            label=label,
            score=score,
            parts=parts,
        )
        for label, parts, score in scored
    ]
    return sorted(ready, key=lambda one: (one.rank is None, one.rank))


def fronts(standings: Sequence[Standing], quality: str) -> list[Front]:
    """The Pareto fronts of the trained contenders: quality against each cost, then against all costs at once."""
    trained = [one for one in standings if one.trained]
    own = [f"training/{name}" for name in COSTS if any(f"training/{name}" in one.metrics for one in trained)]
    if not trained or not own or not any(quality in one.metrics for one in trained):
        return []
    return [_front(trained, quality, costs) for costs in (*[(cost,) for cost in own], tuple(own))]


def _check(term: Term, standings: Sequence[Standing]) -> None:
    having = [one.metrics[term.metric] for one in standings if term.metric in one.metrics]
    if not having:
        known = ", ".join(dict.fromkeys(name for one in standings for name in one.metrics))
        raise ConfigError(f"task.ranking: nothing is scored as {term.metric}; known: {known}")
    up = having[0].higher_is_better
    if up != (term.direction == "higher"):
        own = "higher" if up else "lower"
        raise ConfigError(f"task.ranking: {term.metric} is better when {own}, got direction: {term.direction}")


def _part(term: Term, one: Standing) -> float | None:
    value = one.metrics[term.metric].value if term.metric in one.metrics else None
    if value is None:
        return None
    return term.weight * (value if term.direction == "higher" else 1 - value)


def _sum(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _front(trained: Sequence[Standing], quality: str, costs: tuple[str, ...]) -> Front:
    points: dict[str, list[float]] = {}
    for one in trained:
        metric, values = one.metrics.get(quality), one.values()
        prices = [price for cost in costs if (price := values.get(cost)) is not None]
        if metric is not None and metric.value is not None and len(prices) == len(costs):
            points[one.label] = [-metric.value if metric.higher_is_better else metric.value, *prices]
    best = [label for label, point in points.items() if not any(_beats(other, point) for other in points.values())]
    unknown = tuple(one.label for one in trained if one.label not in points)
    return Front(quality=quality, costs=costs, labels=tuple(best), unknown=unknown)


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `one` is nowhere larger and somewhere smaller."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))
