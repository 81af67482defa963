"""Bootstrap and label swaps as matrix products, shared by all arms and metrics of a comparison.

B resamples, G clusters, S training seeds, k columns of sums.
x[g, j] = sum of column j over the samples of cluster g. Means and ratios of sums depend on the data only through
the totals of such columns, so a resample is a row of counts w and its totals are w @ x.
"""

from collections.abc import Iterator
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.intervals import Interval, t_quantile

Floats = NDArray[np.float64]
RESAMPLES = 9_999
BLOCK_ENTRIES = 2**16  # of one block of the resampling matrix: it stays in the cache, whatever B and G are


def bootstrap_totals(sums: Floats, *, resamples: int, generator: np.random.Generator) -> Floats:
    """Totals of every column in every resample: (G, k) -> (B, k), or (S, G, k) -> (B, k) with seeds resampled too.

    Every column sees the same resamples, so that two arms stay paired and two metrics share the work. A cluster
    is drawn whole. With a leading seed axis, S seeds are drawn first and totals are the mean over them.
    Source: Davison & Hinkley (1997), Bootstrap Methods, ch. 2; the cluster bootstrap is theirs in §3.8.
    """
    seeds = sums.ndim == 3
    num_clusters, num_columns = sums.shape[-2:]
    totals = np.zeros((resamples, num_columns))
    for block in _blocks(resamples, num_clusters):
        counts = _counts(block.stop - block.start, num_clusters, generator)
        if not seeds:
            totals[block] = counts @ sums
            continue
        chosen = _counts(block.stop - block.start, len(sums), generator) / len(sums)
        for weight, of_seed in zip(chosen.T, sums, strict=True):
            totals[block] += weight[:, None] * (counts @ of_seed)
    return totals


def flipped_totals(sums: Floats, *, resamples: int, generator: np.random.Generator) -> Floats:
    """Totals under random signs, one sign for each cluster: (G, k) -> (B, k). Every column sees the same signs."""
    num_clusters, num_columns = sums.shape
    totals = np.empty((resamples, num_columns))
    for block in _blocks(resamples, num_clusters):
        num_rows = block.stop - block.start
        bits = np.frombuffer(generator.bytes((num_rows * num_clusters + 7) // 8), dtype=np.uint8)
        ones = np.unpackbits(bits, count=num_rows * num_clusters).reshape(num_rows, num_clusters)
        totals[block] = (2.0 * ones - 1.0) @ sums
    return totals


def without_each(sums: Floats) -> Floats:
    """Totals with one cluster left out at a time: (G, k) -> (G, k)."""
    return sums.sum(axis=0) - sums


def percentile_interval(replicates: Floats, *, confidence: float) -> Interval:
    """The middle `confidence` of the replicates. Plain, and too narrow for small or skewed samples."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high))


def bca_interval(estimate: float, replicates: Floats, left_out: Floats, *, confidence: float) -> Interval:
    """The bias-corrected and accelerated bootstrap interval.

    z0 = Φ⁻¹(share of replicates below the estimate, ties counted half); a = Σd³ / 6(Σd²)^1.5 with
    d = mean(left_out) − left_out, where `left_out` holds the estimate without each cluster (the clustered
    jackknife); the ends are the quantiles Φ(z0 + (z0 + z)/(1 − a(z0 + z))) of the replicates.
    Where all replicates are equal, both ends are that value: no noise was seen, which is not that there is none.
    Source: Efron (1987), JASA 82, eq. 2.3, 6.6; Efron & Tibshirani (1993), §14.3.
    """
    normal, size = NormalDist(), len(replicates)
    below = (np.sum(replicates < estimate) + 0.5 * np.sum(replicates == estimate)) / size
    bias = normal.inv_cdf(min(max(below, 1 / (size + 1)), size / (size + 1)))  # finite where all lie on one side
    acceleration = _acceleration(left_out)
    ends = [_bca_level(bias, acceleration, normal.inv_cdf(p)) for p in ((1 - confidence) / 2, (1 + confidence) / 2)]
    low, high = np.quantile(replicates, ends)
    return Interval(low=float(low), high=float(high))


def expanded(confidence: float, num: int, degrees: float) -> float:
    """The confidence to ask of a bootstrap of `num` clusters so that small samples cover as a t interval does.

    2 Φ(√(n/(n−1)) t_ν) − 1: the bootstrap's spread is too small by √((n−1)/n) and its ends are normal, not
    Student's. ν is n − 1, or less for uneven clusters (intervals.cluster_degrees).
    Source: Hesterberg (2015), The American Statistician 69:371, §4.3.
    """
    if num < 2 or not degrees > 0:
        return confidence
    wide = sqrt(num / (num - 1)) * t_quantile((1 + confidence) / 2, degrees)
    return 2 * NormalDist().cdf(wide) - 1


def _bca_level(bias: float, acceleration: float, z: float) -> float:
    slope = 1 - acceleration * (bias + z)
    if slope <= 0:  # beyond the pole of the correction: the end of the replicates
        return 0.0 if z < 0 else 1.0
    return NormalDist().cdf(bias + (bias + z) / slope)


def _acceleration(left_out: Floats) -> float:
    distances = left_out.mean() - left_out
    spread = float(np.sum(distances**2))
    return float(np.sum(distances**3)) / (6 * spread**1.5) if spread > 0 else 0.0


def _counts(num_rows: int, num_items: int, generator: np.random.Generator) -> Floats:
    """How often each item is drawn in each of `num_rows` resamples of `num_items`: (rows, items)."""
    drawn = generator.integers(0, num_items, size=(num_rows, num_items))
    drawn += np.arange(num_rows)[:, None] * num_items
    counts = np.bincount(drawn.ravel(), minlength=num_rows * num_items)
    return counts.reshape(num_rows, num_items).astype(np.float64)


def _blocks(num_rows: int, num_columns: int) -> Iterator[slice]:
    step = max(1, BLOCK_ENTRIES // max(1, num_columns))
    return (slice(start, min(start + step, num_rows)) for start in range(0, num_rows, step))
