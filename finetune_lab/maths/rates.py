"""Differences of pass rates, which keep a width at 0 and 1 and where all pairs agree.

p₁, p₀ pass rates of candidate and reference, p₁₀ the rate at which both pass, n_eff an effective number of pairs,
t a Student quantile, V variances of the difference (see estimate.py).
"""

from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np

from finetune_lab.maths.effect import risk_difference
from finetune_lab.maths.estimate import Estimate
from finetune_lab.maths.inference import Finding, has_one_seed, is_clustered
from finetune_lab.maths.intervals import (
    UNKNOWN,
    Interval,
    newcombe_paired,
    newcombe_rates,
    normal_quantile,
)
from finetune_lab.maths.noise import Noise, Part
from finetune_lab.maths.pairing import Pairs
from finetune_lab.maths.tests import Test, mcnemar
from finetune_lab.records import Statistic


@dataclass(frozen=True, kw_only=True)
class _Rates:
    """Two pass rates, how often both pass, as how many independent pairs they count, and the seeds' variance."""

    candidate: float
    reference: float
    joint: float
    num: float
    seeds: float

    @property
    def difference(self) -> float:
        return self.candidate - self.reference


def pass_fail(statistic: Statistic, pairs: Pairs, found: Estimate, swap: Test | None, confidence: float) -> Finding:
    """Pass rates: Newcombe's paired interval and exact McNemar; with clusters or seeds their effective counterparts.

    `swap` is the sign-flip permutation, where the clusters of one seed were swapped.
    """
    if has_one_seed(pairs) and not is_clustered(pairs):
        interval, test = _plain(pairs, confidence)
        method, critical, degrees = "Newcombe", normal_quantile(confidence), inf
    else:
        rates = _effective(statistic, pairs, found)
        noise = found.noise if found.noise.variance != 0 else _of_clusters(pairs)
        critical, degrees = noise.critical(confidence), noise.degrees
        interval, method = _interval(rates, critical) if degrees > 0 else UNKNOWN, "Newcombe, effective n"
        test = swap if swap is not None else _inverted(rates, noise, pairs.num_pairs)
    low, high = sorted((interval.low * statistic.scale, interval.high * statistic.scale))
    return Finding(
        interval=Interval(low=low, high=high),
        method=method,
        test=test,
        error=found.error if found.error > 0 else (high - low) / (2 * critical),
        degrees=degrees,
        effects=(risk_difference(found.difference / statistic.scale, interval),),
    )


def _plain(pairs: Pairs, confidence: float) -> tuple[Interval, Test]:
    reference, candidate = pairs.reference.of[0] == 1, pairs.candidate.of[0] == 1
    both, gained = int(np.sum(candidate & reference)), int(np.sum(candidate & ~reference))
    lost, neither = int(np.sum(~candidate & reference)), int(np.sum(~candidate & ~reference))
    return newcombe_paired(both, gained, lost, neither, confidence=confidence), mcnemar(gained, lost)


def _effective(statistic: Statistic, pairs: Pairs, found: Estimate) -> _Rates:
    """The rates, and as many independent pairs as would be as noisy as these are with their clusters and seeds.

    n_eff = [p₁(1−p₁) + p₀(1−p₀) − 2(p₁₀ − p₁p₀)] / V_items, at most one for each pair and seed; the number of
    clusters where nothing varies. Source: Korn & Graubard (1998), Survey Methodology 24:193.
    """
    one, other = (side.of.mean(axis=0) for side in (pairs.candidate, pairs.reference))
    candidate, reference, joint = float(one.mean()), float(other.mean()), float(np.mean(one * other))
    spread = candidate * (1 - candidate) + reference * (1 - reference) - 2 * (joint - candidate * reference)
    items = found.noise.items_variance / statistic.scale**2
    most = pairs.num_pairs * max(len(pairs.candidate.of), len(pairs.reference.of))
    num = min(spread / items, most) if items > 0 and spread > 0 else pairs.num_clusters
    seeds = found.noise.seeds_variance / statistic.scale**2
    return _Rates(candidate=candidate, reference=reference, joint=joint, num=num, seeds=seeds)


def _interval(rates: _Rates, critical: float) -> Interval:
    """Newcombe's interval for n_eff pairs; the seeds join as √((difference − end)² + t² V_seeds).

    Source of the adding: Zou & Donner (2008), Stat. Med. 27:1693.
    """
    plain = newcombe_rates(rates.candidate, rates.reference, rates.joint, num=rates.num, critical=critical)
    low = rates.difference - sqrt((rates.difference - plain.low) ** 2 + critical**2 * rates.seeds)
    high = rates.difference + sqrt((plain.high - rates.difference) ** 2 + critical**2 * rates.seeds)
    return Interval(low=max(low, -1.0), high=min(high, 1.0))


def _of_clusters(pairs: Pairs) -> Noise:
    """What is known where nothing varies: nothing but the number of clusters."""
    return Noise(
        sources=(Part(variance=1.0, degrees=pairs.num_clusters - 1.0),), items_variance=0.0, seeds_variance=0.0
    )


def _inverted(rates: _Rates, noise: Noise, num: int) -> Test:
    """The test that belongs to `_interval`: the level at which it just reaches zero, by bisection."""
    name = "inverted interval"
    if not noise.is_known:
        return Test(name=name, p_value=nan, statistic=nan, num=num, exact=False)

    def excludes_zero(critical: float) -> bool:
        interval = _interval(rates, critical)
        return interval.low > 0 or interval.high < 0

    low, high = 0.0, 1e3 if rates.difference != 0 else 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excludes_zero(middle) else (low, middle)
    return Test(name=name, p_value=noise.p_value(low), statistic=low, num=num, exact=False)
