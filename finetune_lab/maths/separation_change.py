"""From one model to another on the same prompts: Δδ², ΔAQI and their jackknife; the bootstrap of ΔAQI, which is biased.

N prompts, X (N, d) the reference's states and Y (N, d) the candidate's, row by row the same prompts; `unsafe` (N,).
Both are standardised by the reference's pooled within-class deviation, so that a change of scale is seen as one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.intervals import Interval
from finetune_lab.maths.separation import Classes, Spread, bootstrap_classes, moments, spread, spread_of, spread_without

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]
_BLOCK_RESAMPLES = 64


@dataclass(frozen=True, kw_only=True)
class Change:
    """Both spreads, and both with one prompt left out of both models (and of the deviation) at a time."""

    reference: Spread
    candidate: Spread
    reference_without: Spread
    candidate_without: Spread

    @property
    def delta_squared(self) -> float:
        return float(self.candidate.delta_squared - self.reference.delta_squared)

    @property
    def delta_squared_without(self) -> Floats:
        return np.asarray(self.candidate_without.delta_squared - self.reference_without.delta_squared)

    def aqi(self, weight: float) -> float:
        """ΔAQI for λ = `weight`."""
        return float(self.candidate.aqi(weight) - self.reference.aqi(weight))

    def aqi_without(self, weight: float) -> Floats:
        return np.asarray(self.candidate_without.aqi(weight) - self.reference_without.aqi(weight))


def change(
    reference: Floats, candidate: Floats, unsafe: Flags, *, standardised: bool, groups: Numbers | None = None
) -> Change:
    """What became of the separation; models of another width than each other cannot share a standardisation."""
    scale = reference if standardised else None
    return Change(
        reference=spread(reference, unsafe, reference=scale, groups=groups),
        candidate=spread(candidate, unsafe, reference=scale, groups=groups),
        reference_without=spread_without(reference, unsafe, reference=scale, groups=groups),
        candidate_without=spread_without(candidate, unsafe, reference=scale, groups=groups),
    )


@dataclass(frozen=True, kw_only=True)
class BiasedBootstrap:
    """The percentile bootstrap of ΔAQI as it was asked for, and what shows that it is not valid.

    `reference_ratio` and `candidate_ratio` are the mean of an arm's resampled AQI over its observed one: 1 for an
    honest bootstrap; near 2 where there is no effect, since a resample repeats prompts, and repeats pull the class
    means apart as an effect would.
    """

    interval: Interval
    mean: float
    reference_ratio: float
    candidate_ratio: float
    num: int


def biased_bootstrap(
    reference: Floats,
    candidate: Floats,
    unsafe: Flags,
    *,
    weight: float,
    standardised: bool,
    num: int,
    generator: np.random.Generator,
) -> BiasedBootstrap:
    """Draw the prompts of each class anew `num` times, the same for both models; the deviation stays as observed."""
    scale = moments(reference, unsafe) if standardised else None
    found = np.empty((num, 2))
    for start in range(0, num, _BLOCK_RESAMPLES):
        rows = slice(start, min(start + _BLOCK_RESAMPLES, num))
        counts = [_counts(rows.stop - rows.start, int(np.sum(side)), generator) for side in (~unsafe, unsafe)]
        for place, states in enumerate((reference, candidate)):
            found[rows, place] = _aqi(bootstrap_classes(counts[0], counts[1], states, unsafe), scale, weight)
    observed = [float(_aqi(moments(states, unsafe), scale, weight)) for states in (reference, candidate)]
    gaps = found[:, 1] - found[:, 0]
    low, high = np.quantile(gaps, [0.025, 0.975])
    return BiasedBootstrap(
        interval=Interval(low=float(low), high=float(high)),
        mean=float(gaps.mean()),
        reference_ratio=float(found[:, 0].mean()) / observed[0],
        candidate_ratio=float(found[:, 1].mean()) / observed[1],
        num=num,
    )


def _aqi(classes: Classes, scale: Classes | None, weight: float) -> Floats:
    return np.asarray(spread_of(classes, scale).aqi(weight))


def _counts(num: int, size: int, generator: np.random.Generator) -> Floats:
    """How often each of `size` prompts is drawn in each of `num` resamples."""
    return generator.multinomial(size, np.full(size, 1 / size), size=num).astype(np.float64)
