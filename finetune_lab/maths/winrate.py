"""Win rates from preferences: plain, adjusted for length, and as strengths of many players.

A preference is AlpacaEval's: 1 the reference was preferred, 2 the candidate, in between partly, 0 neither.
n preferences, w[i] = 1 a win of the candidate, 0 a loss, 0.5 a draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.intervals import UNKNOWN, Interval, around
from finetune_lab.maths.logistic import Fit, expit, fit_logistic

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """The mean of the wins, from 0 to 1, and how they fell. NaN where nothing was scored."""

    value: float
    error: float
    interval: Interval
    num: int
    num_wins: int
    num_losses: int
    num_draws: int


@dataclass(frozen=True, kw_only=True)
class LengthAdjusted:
    """The win rate at equal lengths, and the effect of length in logits. NaN where the fit has no finite maximum."""

    value: float
    interval: Interval
    length_effect: float
    length_interval: Interval
    converged: bool


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """Bradley–Terry strengths in logits with sum zero, each with an interval; NaN where no finite maximum exists."""

    names: tuple[str, ...]
    values: Floats
    intervals: tuple[Interval, ...]
    covariance: Floats
    degrees: float
    converged: bool

    def probability(self, name: str, other: str) -> float:
        """The probability that `name` wins against `other`."""
        one, two = self.names.index(name), self.names.index(other)
        return float(expit(self.values[one] - self.values[two]))


def wins(preferences: Floats) -> Floats:
    """Preferences as wins from 0 to 1: 0 (neither) is a draw, 1 a loss, 2 a win; NaN stays unscored.

    Raises ValueError for a value outside {0} ∪ [1, 2]. Source: alpaca_eval, metrics/winrate.py (Li et al., 2023).
    """
    known = preferences[~np.isnan(preferences)]
    wrong = known[(known != 0) & ((known < 1) | (known > 2))]
    if len(wrong):
        raise ValueError(f"a preference is 0, or from 1 to 2; got {float(wrong[0])}")
    return np.where(preferences == 0, 0.5, preferences - 1)


def win_rate(preferences: Floats, *, clusters: Numbers | None = None, confidence: float = 0.95) -> WinRate:
    """The mean win and its standard error s/√n, which is the leaderboard's; clusters make it robust to them.

    n_wins and so on count to which side of one half a preference fell. Student interval, kept inside [0, 1].
    """
    kept = ~np.isnan(preferences)
    found = wins(preferences[kept])
    num = len(found)
    value = float(found.mean()) if num else nan
    error, degrees = _error(found, None if clusters is None else clusters[kept])
    interval = around(value, error**2, degrees, confidence=confidence)
    return WinRate(
        value=value,
        error=error,
        interval=Interval(low=float(np.clip(interval.low, 0, 1)), high=float(np.clip(interval.high, 0, 1))),
        num=num,
        num_wins=int(np.sum(found > 0.5)),
        num_losses=int(np.sum(found < 0.5)),
        num_draws=int(np.sum(found == 0.5)),
    )


def length_adjusted(
    preferences: Floats,
    lengths: Floats,
    reference_lengths: Floats,
    *,
    clusters: Numbers | None = None,
    confidence: float = 0.95,
) -> LengthAdjusted:
    """What the win rate would be if both answers were equally long.

    logit P(win) = θ + φ tanh(Δ/s), Δ the difference of lengths and s its deviation; the rate is 1/(1 + e^(−θ)).
    Answers that are all equally long give the plain fit. The published rate adds a difficulty of each instruction,
    fitted over a whole leaderboard, which two models alone do not determine.
    Source: Dubois, Galambosi, Liang & Hashimoto (2024), Length-Controlled AlpacaEval, arXiv:2404.04475, eq. 2.
    """
    kept = ~np.isnan(preferences + lengths + reference_lengths)
    gaps = (lengths - reference_lengths)[kept]
    found = wins(preferences[kept])
    if len(found) < 2:
        return LengthAdjusted(value=nan, interval=UNKNOWN, length_effect=nan, length_interval=UNKNOWN, converged=False)
    spread = float(gaps.std())
    columns = [np.ones(len(found))] + ([np.tanh(gaps / spread)] if spread > 0 else [])
    fit = fit_logistic(np.stack(columns, axis=1), found, _numbered(kept, clusters))
    middle = _coefficient(fit, 0, confidence)
    low, high = (float(expit(end)) for end in (middle.low, middle.high))
    return LengthAdjusted(
        value=float(expit(fit.coefficients[0])),
        interval=Interval(low=low, high=high),
        length_effect=float(fit.coefficients[1]) if spread > 0 else 0.0,
        length_interval=_coefficient(fit, 1, confidence) if spread > 0 else UNKNOWN,
        converged=fit.converged,
    )


def bradley_terry(
    names: Sequence[str],
    first: Numbers,
    second: Numbers,
    won: Floats,
    prompts: Numbers,
    *,
    confidence: float = 0.95,
) -> Strengths:
    """Strengths from comparisons: player first[i] met second[i] and won[i] of 1 went to the first (0.5: a draw).

    logit P(first wins) = strength of the first − strength of the second, by Newton's method (the likelihood is
    concave). Intervals hold for comparisons that share a prompt. Not converged where a player has won, or lost, all,
    or where two groups of players never met.
    Source: Bradley & Terry (1952), Biometrika 39:324; existence: Ford (1957), Am. Math. Monthly 64:28.
    """
    size, rows = len(names), np.arange(len(won))
    meetings = np.zeros((len(won), size))
    meetings[rows, first] += 1
    meetings[rows, second] -= 1
    fit = fit_logistic(meetings[:, 1:], won, prompts)  # the first player is fixed at zero: only differences count
    centred = np.vstack([np.zeros(size - 1), np.eye(size - 1)]) - 1 / size
    values, covariance = centred @ fit.coefficients, centred @ fit.covariance @ centred.T
    intervals = tuple(
        around(float(value), float(variance), fit.degrees, confidence=confidence)
        for value, variance in zip(values, np.diag(covariance), strict=True)
    )
    return Strengths(
        names=tuple(names),
        values=values,
        intervals=intervals,
        covariance=covariance,
        degrees=fit.degrees,
        converged=fit.converged,
    )


def _error(found: Floats, clusters: Numbers | None) -> tuple[float, float]:
    """The standard error of a mean and its degrees of freedom."""
    num = len(found)
    if num < 2:
        return nan, 0.0
    if clusters is None:
        return float(found.std(ddof=1)) / sqrt(num), num - 1.0
    _, numbers = np.unique(clusters, return_inverse=True)
    sums = np.bincount(numbers, weights=found - found.mean())
    if len(sums) < 2:
        return nan, 0.0
    return sqrt(len(sums) / (len(sums) - 1) * float(np.sum(sums**2))) / num, len(sums) - 1.0


def _numbered(kept: NDArray[np.bool_], clusters: Numbers | None) -> Numbers:
    return np.arange(int(kept.sum())) if clusters is None else clusters[kept]


def _coefficient(fit: Fit, place: int, confidence: float) -> Interval:
    return around(
        float(fit.coefficients[place]), float(fit.covariance[place, place]), fit.degrees, confidence=confidence
    )
