"""A score and its noise: value, influence of every cluster, variance from items and from training seeds.

θ a score, of/per the numerator and denominator of a pair, f the transform times the scale, S seeds, G clusters.
e[s, g] = how far cluster g moves the score of seed s (first order): Var(θ | seeds) ≈ G/(G−1) Σ e².
"""

from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.intervals import cluster_degrees
from finetune_lab.maths.noise import Noise, Part, crossed
from finetune_lab.maths.pairing import Pairs, Side
from finetune_lab.records import Statistic

Floats = NDArray[np.float64]
ROUNDING = 1e-12  # an error under this part of the values is what subtraction leaves, not noise
NO_NOISE = Noise(sources=(Part(variance=0.0, degrees=inf),), items_variance=0.0, seeds_variance=0.0)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Values of both arms (means over their seeds), their difference, and its noise.

    `moves` (num_groups,) is the influence of each cluster on the difference; `deviation` that of one pair's
    difference between two single runs, for effect sizes.
    """

    reference: float
    candidate: float
    moves: Floats
    deviation: float
    noise: Noise

    @property
    def difference(self) -> float:
        return self.candidate - self.reference

    @property
    def error(self) -> float:
        return sqrt(self.noise.variance) if self.noise.variance >= 0 else nan


def transformed(statistic: Statistic, of: Floats, per: Floats) -> Floats:
    """The score from sums: scale · f(of / per); NaN where the denominator is zero."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = of / per
        return np.asarray(statistic.scale * (np.exp(ratio) if statistic.transform == "exp" else ratio))


def estimate(statistic: Statistic, pairs: Pairs) -> Estimate:
    """The difference of two paired arms with its noise from items, and from training seeds where there are several."""
    sides = (pairs.reference, pairs.candidate)
    values = [_values(statistic, side) for side in sides]
    of_pairs = [_moves(statistic, side, found) for side, found in zip(sides, values, strict=True)]
    moves = [pairs.by_cluster(found) for found in of_pairs]
    reference, candidate = float(values[0].mean()), float(values[1].mean())
    noise, deviation = _noise(values, moves, pairs), _deviation(of_pairs, pairs.num_pairs)
    if noise.variance <= (ROUNDING * max(abs(reference), abs(candidate))) ** 2:
        noise, deviation = NO_NOISE, 0.0
    gaps = moves[1].mean(axis=0) - moves[0].mean(axis=0)
    return Estimate(reference=reference, candidate=candidate, moves=gaps, deviation=deviation, noise=noise)


def _values(statistic: Statistic, side: Side) -> Floats:
    """The score of each seed: (S,)."""
    if statistic.kind != "jackknife":
        return transformed(statistic, side.of.sum(axis=1), side.per.sum(axis=1))
    # the mean of the left-out scores equals the score for a U-statistic and differs by O(1/n²) for smooth ones
    return side.values if side.values is not None else side.of.mean(axis=1)


def _moves(statistic: Statistic, side: Side, values: Floats) -> Floats:
    """What each pair adds to the score, to first order, with sum zero: (S, n).

    mean and ratio: f'(R)(of − R per)/Σper. jackknife: (n−1)(θ̄ − θ₍ᵢ₎)/n. Their squares sum to the delta method's
    and to Tukey's variance. Source: Efron & Tibshirani (1993), ch. 11 and 21; Woodruff (1971), JASA 66:411.
    """
    num = side.of.shape[1]
    if statistic.kind == "jackknife":
        return (num - 1) / num * (side.of.mean(axis=1, keepdims=True) - side.of)
    whole = side.per.sum(axis=1, keepdims=True)
    ratio = side.of.sum(axis=1, keepdims=True) / whole
    slope = values[:, None] if statistic.transform == "exp" else np.full((len(values), 1), statistic.scale)
    return np.asarray(slope * (side.of - ratio * side.per) / whole)


def _deviation(moves: list[Floats], num: int) -> float:
    """The deviation of one pair's difference, averaged (as a variance) over all choices of one seed in each arm."""
    if num < 2:
        return nan
    squares = sum(float(np.sum(found**2)) / len(found) for found in moves)
    shared = float(np.sum(moves[0].mean(axis=0) * moves[1].mean(axis=0)))
    return num * sqrt(max(squares - 2 * shared, 0.0) / (num - 1))


def _noise(values: list[Floats], moves: list[Floats], pairs: Pairs) -> Noise:
    """The noise of items, and of training where an arm has several seeds.

    V_items comes from the cluster influences averaged over seeds, that of training from var(θ_s)/S of every arm;
    both contain the noise of seed by item. An arm with one seed adds nothing: its training noise cannot be seen.
    """
    whole = pairs.num_clusters > 1
    inflation = pairs.num_clusters / (pairs.num_clusters - 1) if whole else nan
    items = inflation * float(np.sum((moves[1].mean(axis=0) - moves[0].mean(axis=0)) ** 2))
    between, both = [], 0.0
    for found, moved in zip(values, moves, strict=True):
        num = len(found)
        if num > 1:
            between.append(Part(variance=float(found.var(ddof=1)) / num, degrees=num - 1))
            both += inflation * float(np.sum((moved - moved.mean(axis=0)) ** 2)) / (num * (num - 1))
    degrees = cluster_degrees(_sizes(pairs)) if whole else 0.0
    return crossed(Part(variance=items, degrees=degrees), between, both)


def _sizes(pairs: Pairs) -> Floats:
    """The weight of each cluster in use: its denominators where there are any, else its number of samples."""
    weights = pairs.by_cluster(pairs.reference.per.mean(axis=0) + pairs.candidate.per.mean(axis=0))
    return weights[weights > 0]
