"""Effect sizes, each with an interval.

n pairs, d their mean difference, s_d the deviation of the differences, s₁ and s₂ of the two arms, r their
correlation, t Student's statistic, δ its noncentrality.
"""

from dataclasses import dataclass
from math import inf, isfinite, isnan, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.intervals import UNKNOWN, Interval, normal_quantile

Floats = NDArray[np.float64]
ROUNDING = 1e-12  # spread under this part of the values is what subtraction leaves, not noise


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A standardised difference under its exact name; NaN where it is not defined."""

    name: str
    value: float
    low: float
    high: float


def _effect(name: str, value: float, interval: Interval) -> Effect:
    return Effect(name=name, value=value, low=interval.low, high=interval.high)


def d_z(values: Floats, reference: Floats, *, confidence: float = 0.95) -> Effect:
    """The mean difference of pairs in deviations of the differences, d / s_d; interval from the noncentral t.

    NaN for fewer than two pairs and where all differences are equal (their deviation is then no yardstick).
    Source: Cohen (1988), §2.3.5; interval: Cumming & Finch (2001), Educ. Psychol. Meas. 61:532.
    """
    differences = (values - reference)[~np.isnan(values - reference)]
    num = len(differences)
    if num < 2 or np.ptp(differences) <= ROUNDING * np.abs(differences).max():
        return _effect("d_z", nan, UNKNOWN)
    deviation = float(differences.std(ddof=1))
    return standardised("d_z", float(differences.mean()), deviation, deviation / sqrt(num), num - 1, confidence)


def standardised(
    name: str, difference: float, deviation: float, error: float, degrees: float, confidence: float
) -> Effect:
    """A difference in deviations, whose interval follows from t = difference / error with `degrees` of freedom."""
    if not deviation > 0 or not error > 0 or not degrees > 0:
        return _effect(name, nan, UNKNOWN)
    centre = noncentral_interval(difference / error, degrees, confidence=confidence)
    factor = error / deviation
    return Effect(name=name, value=difference / deviation, low=centre.low * factor, high=centre.high * factor)


def noncentral_interval(statistic: float, degrees: float, *, confidence: float = 0.95) -> Interval:
    """The δ for which `statistic` lies at the upper and lower tail of the noncentral t, by bisection.

    Beyond |t| = 30, or with more than 10⁶ degrees of freedom, the normal limit t ± z √(1 + t²/2ν) is used.
    """
    normal = normal_quantile(confidence) * sqrt(1 + statistic**2 / (2 * min(degrees, 1e12)))
    if abs(statistic) > 30 or degrees > 1e6:
        return Interval(low=statistic - normal, high=statistic + normal)
    tail, reach = (1 - confidence) / 2, 4 * normal + 4
    low = _noncentrality(statistic, degrees, 1 - tail, statistic - normal, reach)
    high = _noncentrality(statistic, degrees, tail, statistic + normal, reach)
    return Interval(low=low, high=high)


def _noncentrality(statistic: float, degrees: float, probability: float, guess: float, reach: float) -> float:
    """The δ with P(T ≤ statistic) = probability, by secants on the probit scale, where the curve is nearly straight."""
    from scipy.special import nctdtr, ndtri

    low, high, middle, wanted = statistic - reach, statistic + reach, guess, float(ndtri(probability))
    last = (middle + 1.0, nan)
    for _ in range(100):
        gap = float(ndtri(nctdtr(degrees, middle, statistic))) - wanted  # falls as δ rises
        if isnan(gap):  # far out, where the probability is nearly 0 or 1
            gap = inf if middle < statistic else -inf
        if abs(gap) < 1e-12 or high - low < 1e-13 * max(1.0, abs(middle)):
            break
        low, high = (middle, high) if gap > 0 else (low, middle)
        slope = (gap - last[1]) / (middle - last[0])
        last, ahead = (middle, gap), middle - gap / slope if isfinite(slope) and slope < 0 else middle + gap
        middle = ahead if low < ahead < high else (low + high) / 2
    return middle


def d_av(values: Floats, reference: Floats, *, confidence: float = 0.95) -> Effect:
    """The mean difference of pairs in deviations of the scores themselves, d / √((s₁² + s₂²)/2).

    Variance d_av² (s₁⁴ + s₂⁴ + 2 r² s₁² s₂²) / 8 s⁴ (n−1) + s_d² / s² (n−1), normal limits. NaN for fewer than
    two pairs or two constant arms. Source: Cumming (2012), p. 291; variance: Bonett (2008), Psychol. Methods 13:99.
    """
    kept = ~np.isnan(values - reference)
    one, two, num = values[kept], reference[kept], int(kept.sum())
    if num < 2 or (np.ptp(one) == 0 and np.ptp(two) == 0):
        return _effect("d_av", nan, UNKNOWN)
    first, second = float(one.var(ddof=1)), float(two.var(ddof=1))
    covariance = float((one - one.mean()) @ (two - two.mean())) / (num - 1)
    square = (first + second) / 2
    value = float(one.mean() - two.mean()) / sqrt(square)
    shape = value**2 * (first**2 + second**2 + 2 * covariance**2) / (8 * square**2 * (num - 1))
    error = sqrt(shape + max(first + second - 2 * covariance, 0.0) / (square * (num - 1)))
    half = normal_quantile(confidence) * error
    return Effect(name="d_av", value=value, low=value - half, high=value + half)


def cohen_d(values: Floats, other: Floats, *, confidence: float = 0.95) -> Effect:
    """The difference of independent means in pooled deviations; interval from the noncentral t.

    NaN where a group has fewer than two values or nothing varies. Source: Cohen (1988), §2.5, eq. 2.5.1.
    """
    one, two = (group[~np.isnan(group)] for group in (values, other))
    num, other_num = len(one), len(two)
    if min(num, other_num) < 2:
        return _effect("Cohen's d", nan, UNKNOWN)
    degrees = num + other_num - 2
    pooled = sqrt(((num - 1) * float(one.var(ddof=1)) + (other_num - 1) * float(two.var(ddof=1))) / degrees)
    error = pooled * sqrt(1 / num + 1 / other_num)
    return standardised("Cohen's d", float(one.mean() - two.mean()), pooled, error, degrees, confidence)


def risk_difference(difference: float, interval: Interval) -> Effect:
    """The difference of two pass rates; its interval is the comparison's own (see intervals.newcombe_paired)."""
    return (
        _effect("risk difference", difference, interval)
        if isfinite(difference)
        else _effect("risk difference", nan, UNKNOWN)
    )
