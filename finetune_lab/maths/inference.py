"""Interval, test and effect sizes of one estimated difference: which method fits which score.

B resamples, G clusters, t a Student quantile; pass rates are in rates.py.
"""

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.effect import Effect, d_av, standardised
from finetune_lab.maths.estimate import Estimate, transformed
from finetune_lab.maths.intervals import (
    Interval,
    cluster_degrees,
)
from finetune_lab.maths.pairing import Pairs
from finetune_lab.maths.resampling import bca_interval, expanded
from finetune_lab.maths.tests import Test, paired_t, permutation_p
from finetune_lab.records import Statistic

Floats = NDArray[np.float64]
FEW = 30  # clusters under which a Student interval is taken instead of the bootstrap


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a method says of a difference. `error` and `degrees` are for power."""

    interval: Interval
    method: str
    test: Test
    error: float
    degrees: float
    effects: tuple[Effect, ...] = ()
    other_tests: tuple[Test, ...] = ()


def is_pass_fail(statistic: Statistic, pairs: Pairs) -> bool:
    """Whether the score is a pass rate: the mean of a column that holds only 0 and 1."""
    if statistic.kind != "mean" or statistic.transform != "identity":
        return False
    return all(bool(np.all((side.of == 0) | (side.of == 1))) for side in (pairs.reference, pairs.candidate))


def has_one_seed(pairs: Pairs) -> bool:
    """Whether no arm has several seeds, so that items are the only noise that can be seen."""
    return len(pairs.reference.of) == 1 and len(pairs.candidate.of) == 1


def is_clustered(pairs: Pairs) -> bool:
    return pairs.num_clusters < pairs.num_pairs


def needs_bootstrap(statistic: Statistic, pairs: Pairs) -> bool:
    """One seed, a mean or ratio that is no pass rate, and enough clusters."""
    resampled = has_one_seed(pairs) and statistic.kind != "jackknife" and not is_pass_fail(statistic, pairs)
    return resampled and pairs.num_clusters >= FEW


def needs_swaps(statistic: Statistic, pairs: Pairs) -> bool:
    """One seed and a mean or ratio, unless it is a pass rate without clusters (McNemar is the same test there)."""
    plain_rate = is_pass_fail(statistic, pairs) and not is_clustered(pairs)
    return has_one_seed(pairs) and statistic.kind != "jackknife" and not plain_rate


def cluster_sums(pairs: Pairs) -> Floats:
    """Numerators and denominators summed by cluster, for resampling: (num_groups, 4), reference first."""
    columns = [pairs.reference.of[0], pairs.reference.per[0], pairs.candidate.of[0], pairs.candidate.per[0]]
    return np.stack([pairs.by_cluster(column) for column in columns], axis=1)


def differences(statistic: Statistic, totals: Floats) -> Floats:
    """Candidate minus reference from totals in the order of `cluster_sums`: (..., 4) -> (...)."""
    reference = transformed(statistic, totals[..., 0], totals[..., 1])
    return transformed(statistic, totals[..., 2], totals[..., 3]) - reference


def swap_test(statistic: Statistic, sums: Floats, flipped: Floats, *, num: int, exact: bool) -> Test:
    """The sign-flip permutation for means and ratios: each cluster's arms swap names together.

    `flipped` (B, 2) are the signed totals of candidate − reference (numerators, denominators). For a mean this is
    the sign flip of the pairs' differences; for a ratio both sums go along.
    """
    whole = sums[:, :2].sum(axis=0) + sums[:, 2:].sum(axis=0)
    swapped = np.concatenate([(whole - flipped) / 2, (whole + flipped) / 2], axis=1)
    observed = float(differences(statistic, sums.sum(axis=0)))
    p_value = permutation_p(observed, differences(statistic, swapped), exact=exact)
    return Test(name="sign flip", p_value=p_value, statistic=observed, num=num, exact=exact)


def bootstrapped(statistic: Statistic, sums: Floats, totals: Floats, confidence: float) -> Interval:
    """The BCa interval of a difference from its cluster sums (G, 4) and their totals in every resample (B, 4)."""
    used = sums[np.any(sums != 0, axis=1)]
    left_out = differences(statistic, used.sum(axis=0) - used)
    observed = float(differences(statistic, used.sum(axis=0)))
    level = expanded(confidence, len(used), cluster_degrees(used[:, 1] + used[:, 3]))
    return bca_interval(observed, differences(statistic, totals), left_out, confidence=level)


def resampled(
    statistic: Statistic, pairs: Pairs, found: Estimate, interval: Interval, swap: Test, confidence: float
) -> Finding:
    """Means and ratios with one seed: the BCa bootstrap of clusters and the sign-flip permutation.

    Each end is the farther one of BCa's and Student's: under heavy tails BCa alone covers 92 to 93 %.
    """
    plain = found.noise.interval(found.difference, confidence)
    outer = Interval(low=min(interval.low, plain.low), high=max(interval.high, plain.high))
    return _with_effects(statistic, pairs, found, outer, "BCa bootstrap or t", swap, confidence)


def student(statistic: Statistic, pairs: Pairs, found: Estimate, swap: Test | None, confidence: float) -> Finding:
    """Several seeds, few clusters, or jackknife values: a Student interval (noise.py)."""
    noise = found.noise
    interval = noise.interval(found.difference, confidence)
    if not has_one_seed(pairs):
        method = "t, items × seeds"
    else:
        method = "jackknife t" if statistic.kind == "jackknife" else "t, clusters" if is_clustered(pairs) else "t"
    test = swap if swap is not None else noise.test(found.difference, method)
    return _with_effects(statistic, pairs, found, interval, method, test, confidence)


def _with_effects(
    statistic: Statistic,
    pairs: Pairs,
    found: Estimate,
    interval: Interval,
    method: str,
    test: Test,
    confidence: float,
) -> Finding:
    plain = statistic.kind == "mean" and statistic.transform == "identity"
    name = "d_z" if plain else "d_z (linearised)"
    degrees = found.noise.degrees if isfinite(found.noise.degrees) else 0.0
    effects: tuple[Effect, ...] = (
        standardised(name, found.difference, found.deviation, found.error, degrees, confidence),
    )
    others: tuple[Test, ...] = ()
    if plain and has_one_seed(pairs) and not is_clustered(pairs):
        columns = (pairs.candidate.of[0] * statistic.scale, pairs.reference.of[0] * statistic.scale)
        effects, others = (*effects, d_av(*columns, confidence=confidence)), (paired_t(*columns),)
    return Finding(
        interval=interval,
        method=method,
        test=test,
        error=found.error,
        degrees=found.noise.degrees,
        effects=effects,
        other_tests=others,
    )
