"""A mean over items that people judged: items and raters as crossed sources of noise, however few items they share.

y[v] a vote on item i(v) by rater j(v), m_i the votes on item i, n items, w[v] = 1/(n m_i), θ = Σ w y,
e[v] = w (y − θ) what a vote adds to θ.
"""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.intervals import Interval, cluster_degrees, t_quantile
from finetune_lab.maths.noise import Noise, Part, crossed

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
NOBODY = -1  # the rater of a value that needed none


@dataclass(frozen=True, kw_only=True)
class Rated:
    """The mean of the items' means, its noise, and its interval. `values` holds the items' own means, in order."""

    value: float
    interval: Interval
    items_only: Interval
    noise: Noise
    num_items: int
    num_raters: int
    values: Floats
    left_out: Floats


def rated(items: Numbers, raters: Numbers, votes: Floats, clusters: Numbers, *, confidence: float = 0.95) -> Rated:
    """The mean of `votes` by item, items numbered from 0 without gaps; `clusters[i]` is that of item i.

    V = V_clusters + V_raters − V_both, the two-way cluster-robust variance, each source with its own degrees of
    freedom. One rater: the noise of raters cannot be seen, and the interval covers items alone. `left_out` are
    jackknife values of the items whose Student interval is the one given here, so that what counts items alone
    (a comparison) shows the noise of raters too. Simulated coverage: docs/people.md.
    Source: Cameron, Gelbach & Miller (2011), J. Bus. Econ. Stat. 29:238; Owen (2007), Ann. Appl. Stat. 1:386.
    """
    num = int(items.max()) + 1 if len(items) else 0
    sizes = np.bincount(items, minlength=num)
    weights = 1 / (num * sizes[items]) if num else np.zeros(0)
    value = float(weights @ votes) if num else nan
    residuals = weights * (votes - value)
    values = np.bincount(items, weights=votes, minlength=num) / np.maximum(sizes, 1)
    moves = (values - value) / max(num, 1)
    alone = _clustered(moves, clusters)
    noise = _noise(alone, residuals, weights, raters)
    low_high = noise.interval(value, confidence)
    plain = Noise(sources=(alone,), items_variance=alone.variance, seeds_variance=0.0).interval(value, confidence)
    return Rated(
        value=value,
        interval=low_high,
        items_only=plain,
        noise=noise,
        num_items=num,
        num_raters=len(np.unique(raters[raters != NOBODY])),
        values=values,
        left_out=value - _stretch(noise, alone, confidence) * moves * num / max(num - 1, 1),
    )


def _clustered(moves: Floats, clusters: Numbers) -> Part:
    """Clusters of items as a source: the variance as comparison counts it (estimate.py), and its degrees."""
    _, numbers, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return Part(variance=nan, degrees=0.0)
    sums = np.bincount(numbers, weights=moves)
    inflation = len(sizes) / (len(sizes) - 1)
    return Part(variance=inflation * float(np.sum(sums**2)), degrees=cluster_degrees(sizes.astype(np.float64)))


def _noise(alone: Part, residuals: Floats, weights: Floats, raters: Numbers) -> Noise:
    people = raters != NOBODY
    names, numbers = np.unique(raters[people], return_inverse=True)
    if len(names) < 2 or not alone.degrees > 0:
        return Noise(sources=(alone,), items_variance=alone.variance, seeds_variance=0.0)
    shares: Floats = np.bincount(numbers, weights=weights[people]).astype(np.float64)
    sums = np.bincount(numbers, weights=residuals[people])
    # of R equal raters this is R/(R − 1): their residuals are from a mean that they share
    inflation = 1 / (1 - float(np.sum(shares**2)) / float(shares.sum()) ** 2)
    between = Part(variance=inflation * float(np.sum(sums**2)), degrees=cluster_degrees(shares))
    both = float(np.sum(residuals[people] ** 2)) * (alone.degrees + 1) / alone.degrees
    return crossed(alone, [between], both)


def _stretch(noise: Noise, alone: Part, confidence: float) -> float:
    """How much wider than that of items alone the whole interval is; 1 where either is unknown or has no width."""
    if not noise.is_known or not noise.variance > 0 or not alone.variance > 0:
        return 1.0
    reach = noise.critical(confidence) * sqrt(noise.variance)
    return reach / (t_quantile((1 + confidence) / 2, alone.degrees) * sqrt(alone.variance))
