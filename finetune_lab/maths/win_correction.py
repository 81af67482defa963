"""The true win rate behind the one that an imperfect judge sees.

w from 0 to 1 what the judge says of a pair (0.5: a tie), q its mean over n pairs, a₁ and a₀ its means where people
say that the candidate won and lost, on n₁ and n₀ pairs, p the true rate: q = p a₁ + (1 − p) a₀. z the normal quantile.
"""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.agreement import Measured
from finetune_lab.maths.intervals import UNKNOWN, Interval, normal_quantile

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Moments:
    """How many values, their sum and the sum of their squares."""

    num: int
    total: float
    squares: float

    @classmethod
    def of(cls, values: Floats) -> "Moments":
        known = values[~np.isnan(values)]
        return cls(num=len(known), total=float(known.sum()), squares=float((known**2).sum()))

    @property
    def mean(self) -> float:
        return self.total / self.num if self.num else nan

    def softened(self, weight: float) -> tuple[float, float]:
        """Mean and variance of the mean with `weight` made-up values more, half of them 0 and half 1."""
        num = self.num + weight
        mean = (self.total + weight / 2) / num
        return mean, max((self.squares + weight / 2) / num - mean**2, 0.0) / num


@dataclass(frozen=True, kw_only=True)
class WinCalibration:
    """What a judge says where people say that the candidate won, lost, or that neither did."""

    won: Moments
    lost: Moments
    tied: Moments

    @classmethod
    def of(cls, judged: Floats, true: Floats) -> "WinCalibration":
        """From the judge's wins and people's (0, 0.5, 1) on the same pairs."""
        return cls(
            **{name: Moments.of(judged[true == value]) for name, value in (("won", 1.0), ("lost", 0.0), ("tied", 0.5))}
        )

    @property
    def gain(self) -> float:
        """a₁ − a₀: how much of a difference in truth a judge sees; 1 is all of it, 0 none."""
        return self.won.mean - self.lost.mean


def corrected_win_rate(
    wins: Floats, calibration: WinCalibration, *, clusters: Numbers | None = None, confidence: float = 0.95
) -> Measured:
    """The true win rate p = (q − a₀)/(a₁ − a₀), cut to [0, 1], true ties as halves.

    For ties this takes the judge's mean to lie midway between a₀ and a₁, as it does where it treats both sides alike.
    The interval is that of maths/correction.py with means in the place of shares: pseudo-values z²/2 of 0 and of 1
    among the pairs, one of each in both classes of the calibration, the variance of q made larger by what clusters
    add. Unknown without pairs, without both classes, or where a₁ ≤ a₀.
    Source: Rogan & Gladen (1978), Am. J. Epidemiol. 107:71; Lang & Reiczigel (2014), Prev. Vet. Med. 113:13.
    Coverage: scripts/check_judges.py.
    """
    kept = ~np.isnan(wins)
    found = Moments.of(wins)
    if not (found.num and calibration.won.num and calibration.lost.num) or calibration.gain <= 0:
        return Measured(value=nan, interval=UNKNOWN)
    value = min(max((found.mean - calibration.lost.mean) / calibration.gain, 0.0), 1.0)
    z = normal_quantile(confidence)
    rate, of_rate = found.softened(z**2)
    (high_mean, of_ones), (low_mean, of_zeros) = calibration.won.softened(2), calibration.lost.softened(2)
    gain = high_mean - low_mean
    if gain <= 0:
        return Measured(value=value, interval=UNKNOWN)
    of_rate *= _design_effect(wins[kept], None if clusters is None else clusters[kept])
    true = min(max((rate - low_mean) / gain, 0.0), 1.0)
    shift = 2 * z**2 * (true * of_ones - (1 - true) * of_zeros)
    half = z * sqrt(of_rate + true**2 * of_ones + (1 - true) ** 2 * of_zeros) / gain
    low, high = (min(max(true + shift + sign * half, 0.0), 1.0) for sign in (-1, 1))
    return Measured(value=value, interval=Interval(low=min(low, value), high=max(high, value)))


def _design_effect(wins: Floats, clusters: Numbers | None) -> float:
    """By how much clusters enlarge the variance of the mean; 1 at least."""
    if clusters is None or len(wins) < 2:
        return 1.0
    _, numbers = np.unique(clusters, return_inverse=True)
    gaps = wins - wins.mean()
    sums = np.bincount(numbers, weights=gaps)
    alone = float(np.sum(gaps**2))
    if len(sums) < 2 or alone == 0:
        return 1.0
    return max(1.0, len(sums) / (len(sums) - 1) * float(np.sum(sums**2)) / alone)
