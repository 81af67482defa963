"""Confidence intervals in closed form.

n samples, G clusters, S seeds, k successes, p = k / n, z the normal quantile of the confidence, t Student's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, nan, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Both ends; NaN where there is too little to say anything."""

    low: float
    high: float


UNKNOWN = Interval(low=nan, high=nan)


def normal_quantile(confidence: float) -> float:
    """The z with `confidence` of a normal between −z and z."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


@lru_cache(maxsize=4096)  # a comparison of many arms asks for few, thousands of times
def t_quantile(probability: float, degrees: float) -> float:
    """Student's quantile; the normal one for infinite degrees of freedom."""
    if degrees > 1e7:
        return NormalDist().inv_cdf(probability)
    from scipy.special import stdtrit  # here, so that importing maths stays free of scipy

    return float(stdtrit(degrees, probability))


def wilson(successes: float, num: float, *, confidence: float = 0.95) -> Interval:
    """The score interval of one proportion; 0 of 64 is [0, 0.057], not [0, 0]. Unknown for num = 0.

    (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n). `num` may be a fraction (an effective sample size).
    Source: Wilson (1927), JASA 22; Newcombe (1998), Stat. Med. 17:857, method 3.
    """
    return _wilson(successes / num, num, normal_quantile(confidence)) if num > 0 else UNKNOWN


def _wilson(rate: float, num: float, critical: float) -> Interval:
    square = critical**2
    middle = rate + square / (2 * num)
    half = critical * sqrt(max(rate * (1 - rate), 0.0) / num + square / (4 * num**2))
    low, high = ((middle + sign * half) / (1 + square / num) for sign in (-1, 1))
    return Interval(low=0.0 if rate <= 0 else max(low, 0.0), high=1.0 if rate >= 1 else min(high, 1.0))


def clopper_pearson(successes: int, num: int, *, confidence: float = 0.95) -> Interval:
    """The exact interval of one proportion: covers at least `confidence`, often more. Unknown for num = 0.

    Quantiles of Beta(k, n−k+1) and Beta(k+1, n−k). Source: Clopper & Pearson (1934), Biometrika 26.
    """
    if num == 0:
        return UNKNOWN
    from scipy.special import betaincinv

    tail, failures = (1 - confidence) / 2, num - successes
    low = 0.0 if successes == 0 else float(betaincinv(successes, failures + 1, tail))
    high = 1.0 if failures == 0 else float(betaincinv(successes + 1, failures, 1 - tail))
    return Interval(low=low, high=high)


def newcombe_paired(both: int, gained: int, lost: int, neither: int, *, confidence: float = 0.95) -> Interval:
    """The difference of two pass rates on the same samples: gained = only the candidate passes, lost = only the other.

    Wilson limits of both rates, squared and added with their correlation φ, which is corrected for continuity.
    It has width where all pairs agree, and stays inside [−1, 1]. Unknown without pairs.
    Source: Newcombe (1998), Stat. Med. 17:2635, method 10.
    """
    num = both + gained + lost + neither
    if num == 0:
        return UNKNOWN
    rates = ((both + gained) / num, (both + lost) / num, both / num)
    return newcombe_rates(*rates, num=num, critical=normal_quantile(confidence))


def newcombe_rates(candidate: float, reference: float, joint: float, *, num: float, critical: float) -> Interval:
    """`newcombe_paired` from rates, an effective number of pairs and a quantile.

    `joint` is the rate at which both pass (the mean of the products). With clusters, or several seeds, `num` is
    the number of independent pairs that would be as noisy (Korn & Graubard, 1998, Survey Methodology 24) and
    `critical` a Student quantile.
    """
    one, other = _wilson(candidate, num, critical), _wilson(reference, num, critical)
    correlation = _phi(candidate, reference, joint, num)
    low = _add(candidate - one.low, other.high - reference, correlation)
    high = _add(one.high - candidate, reference - other.low, correlation)
    return Interval(low=candidate - reference - low, high=candidate - reference + high)


def _phi(candidate: float, reference: float, joint: float, num: float) -> float:
    """φ of the 2×2 table, its numerator ad − bc lowered by n/2 where it is positive; 0 where a margin is empty."""
    margins = candidate * (1 - candidate) * reference * (1 - reference)
    if margins <= 1e-15:
        return 0.0
    covariance = joint - candidate * reference
    return (max(covariance - 0.5 / num, 0.0) if covariance > 0 else covariance) / sqrt(margins)


def _add(one: float, other: float, correlation: float) -> float:
    return sqrt(max(one**2 - 2 * correlation * one * other + other**2, 0.0))


def newcombe_independent(
    successes: int, num: int, other_successes: int, other_num: int, *, confidence: float = 0.95
) -> Interval:
    """The difference of two pass rates on different samples. Source: Newcombe (1998), Stat. Med. 17:873, method 10."""
    if num == 0 or other_num == 0:
        return UNKNOWN
    rate, other_rate = successes / num, other_successes / other_num
    one, other = (
        wilson(successes, num, confidence=confidence),
        wilson(other_successes, other_num, confidence=confidence),
    )
    low = _add(rate - one.low, other.high - other_rate, 0.0)
    high = _add(one.high - rate, other_rate - other.low, 0.0)
    return Interval(low=rate - other_rate - low, high=rate - other_rate + high)


def around(estimate: float, variance: float, degrees: float, *, confidence: float = 0.95) -> Interval:
    """The estimate ± t √variance; unknown with fewer than one degree of freedom."""
    if not degrees > 0 or not variance >= 0:
        return UNKNOWN
    half = t_quantile((1 + confidence) / 2, degrees) * sqrt(variance)
    return Interval(low=estimate - half, high=estimate + half)


def t_interval(values: Floats, *, confidence: float = 0.95) -> Interval:
    """The mean's Student interval; NaN values are left out; unknown for fewer than two."""
    scored = values[~np.isnan(values)]
    if len(scored) < 2:
        return UNKNOWN
    return around(float(scored.mean()), float(scored.var(ddof=1)) / len(scored), len(scored) - 1, confidence=confidence)


def welch_interval(values: Floats, other: Floats, *, confidence: float = 0.95) -> Interval:
    """mean(values) − mean(other) of independent groups, with unequal variances (Welch, 1947, Biometrika 34)."""
    one, two = (group[~np.isnan(group)] for group in (values, other))
    if min(len(one), len(two)) < 2:
        return UNKNOWN
    parts = [float(group.var(ddof=1)) / len(group) for group in (one, two)]
    degrees = satterthwaite(sum(parts), parts, [len(one) - 1, len(two) - 1])
    return around(float(one.mean() - two.mean()), sum(parts), degrees, confidence=confidence)


def jackknife_interval(estimate: float, left_out: Floats, *, confidence: float = 0.95) -> Interval:
    """The estimate ± t_{n−1} √((n−1)/n Σ(θ₍ᵢ₎ − θ̄)²), from the estimate without each sample (Tukey, 1958)."""
    num = len(left_out)
    if num < 2:
        return UNKNOWN
    variance = (num - 1) / num * float(np.sum((left_out - left_out.mean()) ** 2))
    return around(estimate, variance, num - 1, confidence=confidence)


def satterthwaite(variance: float, parts: Sequence[float], degrees: Sequence[float]) -> float:
    """Degrees of freedom of a sum of variance estimates: V² / Σ(Vⱼ²/νⱼ); infinite where nothing varies.

    Source: Satterthwaite (1946), Biometrics Bulletin 2:110.
    """
    spread = sum(part**2 / count for part, count in zip(parts, degrees, strict=True) if part > 0)
    return variance**2 / spread if spread > 0 else inf


def cluster_degrees(sizes: Floats) -> float:
    """Satterthwaite degrees of freedom of a cluster-robust variance of a mean; G − 1 for equal sizes.

    (tr Ω)² / tr Ω² with Ω = diag(m) − m mᵀ/M, the covariance of the clusters' summed residuals when samples are
    alike (m sizes, M their sum). Source: Bell & McCaffrey (2002), Survey Methodology 28; Imbens & Kolesár (2016).
    """
    whole, squares, cubes = float(sizes.sum()), float(np.sum(sizes**2)), float(np.sum(sizes**3))
    if whole <= 0:
        return 0.0
    trace = whole - squares / whole
    return trace**2 / max(squares - 2 * cubes / whole + squares**2 / whole**2, 1e-300) if trace > 0 else 0.0
