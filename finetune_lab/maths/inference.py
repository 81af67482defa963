"""Interval, test and effect sizes of one estimated difference: which method fits which score.

p₁, p₀ pass rates of candidate and reference, t a Student quantile, V variances (see estimate.py).
"""

from dataclasses import dataclass
from math import inf, isfinite, isnan, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.effect import Effect, d_av, risk_difference, standardised
from finetune_lab.maths.estimate import Estimate, transformed
from finetune_lab.maths.intervals import (
    UNKNOWN,
    Interval,
    around,
    newcombe_paired,
    newcombe_rates,
    normal_quantile,
    t_quantile,
)
from finetune_lab.maths.pairing import Pairs
from finetune_lab.maths.resampling import bca_interval, expanded
from finetune_lab.maths.tests import Test, mcnemar, paired_t, permutation_p, t_test
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


def pass_fail(statistic: Statistic, pairs: Pairs, found: Estimate, swap: Test | None, confidence: float) -> Finding:
    """Pass rates: Newcombe's paired interval and exact McNemar; with clusters or seeds their effective counterparts."""
    if has_one_seed(pairs) and not is_clustered(pairs):
        interval, test = _plain_rates(pairs, confidence)
        method, critical, degrees = "Newcombe", normal_quantile(confidence), inf
    else:
        degrees = found.noise.degrees if isfinite(found.noise.degrees) else pairs.num_clusters - 1.0
        critical = t_quantile((1 + confidence) / 2, degrees) if degrees > 0 else nan
        interval, method = _effective_rates(pairs, found, critical), "Newcombe, effective n"
        test = swap if swap is not None else _inverted(pairs, found, degrees)
    low, high = sorted((interval.low * statistic.scale, interval.high * statistic.scale))
    error = found.error if found.error > 0 else (high - low) / (2 * critical)
    effect = risk_difference(found.difference / statistic.scale, interval)
    return Finding(
        interval=Interval(low=low, high=high), method=method, test=test, error=error, degrees=degrees, effects=(effect,)
    )


def _plain_rates(pairs: Pairs, confidence: float) -> tuple[Interval, Test]:
    reference, candidate = pairs.reference.of[0] == 1, pairs.candidate.of[0] == 1
    both, gained = int(np.sum(candidate & reference)), int(np.sum(candidate & ~reference))
    lost, neither = int(np.sum(~candidate & reference)), int(np.sum(~candidate & ~reference))
    return newcombe_paired(both, gained, lost, neither, confidence=confidence), mcnemar(gained, lost)


def _effective_rates(pairs: Pairs, found: Estimate, critical: float) -> Interval:
    """Newcombe's interval for as many independent pairs as would be as noisy, widened by the seeds' variance.

    n_eff = [p₁(1−p₁) + p₀(1−p₀) − 2(p₁₀ − p₁p₀)] / V_items, and the number of clusters where nothing varies; the
    seeds join as (difference − end)² + t² V_seeds.
    Source: Korn & Graubard (1998), Survey Methodology 24:193; adding: Zou & Donner (2008), Stat. Med. 27:1693.
    """
    if isnan(critical):
        return UNKNOWN
    rates = [side.of.mean(axis=0) for side in (pairs.candidate, pairs.reference)]
    candidate, reference, joint = float(rates[0].mean()), float(rates[1].mean()), float(np.mean(rates[0] * rates[1]))
    scale = found.difference / (candidate - reference) if candidate != reference else 1.0
    items, seeds = found.noise.items_variance / scale**2, found.noise.seeds_variance / scale**2
    spread = candidate * (1 - candidate) + reference * (1 - reference) - 2 * (joint - candidate * reference)
    most = pairs.num_pairs * max(len(pairs.candidate.of), len(pairs.reference.of))
    num = min(spread / items, most) if items > 0 and spread > 0 else pairs.num_clusters
    plain = newcombe_rates(candidate, reference, joint, num=num, critical=critical)
    difference = candidate - reference
    low = difference - sqrt((difference - plain.low) ** 2 + critical**2 * seeds)
    high = difference + sqrt((plain.high - difference) ** 2 + critical**2 * seeds)
    return Interval(low=max(low, -1.0), high=min(high, 1.0))


def _inverted(pairs: Pairs, found: Estimate, degrees: float) -> Test:
    """The test that belongs to `_effective_rates`: the level at which its interval just reaches zero."""
    name, difference = "inverted interval", found.difference
    if not degrees > 0:
        return Test(name=name, p_value=nan, statistic=nan, num=pairs.num_pairs, exact=False)

    def excludes(critical: float) -> bool:
        interval = _effective_rates(pairs, found, critical)
        return interval.low > 0 or interval.high < 0

    low, high = 0.0, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if difference != 0 and excludes(middle) else (low, middle)
    found_p = t_test(low, 1.0, degrees, name=name).p_value
    return Test(name=name, p_value=found_p, statistic=low, num=pairs.num_pairs, exact=False)


def bootstrapped(statistic: Statistic, sums: Floats, totals: Floats, confidence: float) -> Interval:
    """The BCa interval of a difference from its cluster sums (G, 4) and their totals in every resample (B, 4)."""
    used = sums[np.any(sums != 0, axis=1)]
    left_out = differences(statistic, used.sum(axis=0) - used)
    observed = float(differences(statistic, used.sum(axis=0)))
    level = expanded(confidence, len(used))
    return bca_interval(observed, differences(statistic, totals), left_out, confidence=level)


def resampled(
    statistic: Statistic, pairs: Pairs, found: Estimate, interval: Interval, swap: Test, confidence: float
) -> Finding:
    """Means and ratios with one seed: the BCa bootstrap of clusters and the sign-flip permutation."""
    return _with_effects(statistic, pairs, found, interval, "BCa bootstrap", swap, confidence)


def student(statistic: Statistic, pairs: Pairs, found: Estimate, swap: Test | None, confidence: float) -> Finding:
    """Several seeds, few clusters, or jackknife values: a Student interval with Satterthwaite degrees of freedom."""
    noise = found.noise
    interval = around(found.difference, noise.variance, noise.degrees, confidence=confidence)
    if not has_one_seed(pairs):
        method = "t, items × seeds"
    else:
        method = "jackknife t" if statistic.kind == "jackknife" else "t, clusters" if is_clustered(pairs) else "t"
    test = swap if swap is not None else t_test(found.difference, noise.variance, noise.degrees, name=method)
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
