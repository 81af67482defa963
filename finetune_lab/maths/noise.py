"""The noise of a difference: items and training seeds as crossed random sources, and the quantile that both need.

V_I the variance that the items give a difference, V_T that of training, ν_I and ν_T their degrees of freedom,
S seeds of an arm, t_ν Student's quantile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt

from finetune_lab.maths.intervals import UNKNOWN, Interval, satterthwaite, t_quantile
from finetune_lab.maths.tests import Test, t_test

NOMINAL = 0.95  # the confidence at which `degrees` stand for the whole
STEPS = 60  # of a bisection: more than a double has bits
MOST = 1e9  # degrees of freedom, where nothing changes any more


@dataclass(frozen=True, kw_only=True)
class Part:
    """One source of noise: the variance that it gives the difference, and the degrees of freedom it is known with."""

    variance: float
    degrees: float


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The variance of a difference as the sum of its sources.

    `items_variance` and `seeds_variance` are what people ask for: the first holds the noise of seed by item too, the
    second is what training adds to it, and never negative.
    """

    sources: tuple[Part, ...]
    items_variance: float
    seeds_variance: float

    @property
    def variance(self) -> float:
        return sum(source.variance for source in self.sources)

    @property
    def is_known(self) -> bool:
        """Whether every source could be estimated."""
        return all(source.degrees > 0 and source.variance >= 0 for source in self.sources)

    def critical(self, confidence: float) -> float:
        """How many standard errors an interval reaches: Σ V t_ν / Σ V over the sources; NaN where one is unknown.

        Satterthwaite's one number of degrees of freedom is itself a guess, and too high just when the few seeds
        happen to lie close together: with two noisy seeds his interval covers 88 %, this one 94 %
        (docs/statistics.md). Source: Cochran & Cox (1957), Experimental Designs, §4.14; Cochran (1964), Biometrics 20.
        """
        return self._reach((1 - confidence) / 2)

    def _reach(self, tail: float) -> float:
        if not self.is_known:
            return nan
        if not self.variance > 0:
            return -t_quantile(tail, inf)
        # by the lower tail: 1 − p would lose a p under 1e-16
        return -sum(source.variance * t_quantile(tail, source.degrees) for source in self.sources) / self.variance

    @property
    def degrees(self) -> float:
        """The degrees of freedom with which Student's quantile is `critical` at 95 %; 0 where unknown."""
        if not self.is_known:
            return 0.0
        if not self.variance > 0:
            return inf
        few, many = min(self._all_degrees), min(max(self._all_degrees), MOST)
        wanted = self.critical(NOMINAL)
        for _ in range(STEPS if many > few else 0):
            middle = sqrt(few * many)
            few, many = (middle, many) if t_quantile((1 + NOMINAL) / 2, middle) > wanted else (few, middle)
        return many

    @property
    def _all_degrees(self) -> list[float]:
        return [source.degrees for source in self.sources if source.variance > 0]

    def interval(self, difference: float, confidence: float) -> Interval:
        """The difference with `critical` standard errors to both sides."""
        if not self.is_known:
            return UNKNOWN
        half = self.critical(confidence) * sqrt(self.variance)
        return Interval(low=difference - half, high=difference + half)

    def test(self, difference: float, name: str) -> Test:
        """Student's test of no difference: p is the level at which `interval` just reaches zero.

        No variance: 1 for zero, NaN for anything else, which there is nothing to compare with.
        """
        if not self.is_known or not self.variance > 0:
            known = self.is_known and difference == 0
            return Test(name=name, p_value=1.0 if known else nan, statistic=nan, num=0, exact=False)
        statistic = difference / sqrt(self.variance)
        return Test(name=name, p_value=self.p_value(statistic), statistic=statistic, num=0, exact=False)

    def p_value(self, statistic: float) -> float:
        """The p with `critical(1 − p)` = |statistic|, by bisection between the tests by each source alone."""
        if not self.is_known or not isfinite(statistic):
            return nan
        ends = [t_test(statistic, 1.0, degrees, name="").p_value for degrees in self._all_degrees or [inf]]
        low, high = min(ends), max(ends)
        for _ in range(STEPS if high > low else 0):
            middle = sqrt(low * high)
            low, high = (middle, high) if self._reach(middle / 2) > abs(statistic) else (low, middle)
        return high


def crossed(items: Part, between: Sequence[Part], both: float) -> Noise:
    """Items and training as two sources of noise.

    `items` is of the clusters' means over all seeds; `between` has, for each arm of several seeds, var(θ_s)/S with
    S − 1; `both` is the noise of seed by item, which stands in either and is counted once.
    ν_T is Satterthwaite's over the arms, and at most twice that of the arm with the fewest seeds: that arm may be
    the one that is noisy, however close together its seeds happen to lie.
    Source of the crossed layout: Searle et al. (1992), Variance Components, ch. 4.
    """
    training = sum(arm.variance for arm in between)
    added = max(training - both, 0.0)
    if not training > 0:  # no arm of several seeds, or seeds that make no difference
        return Noise(sources=(items,), items_variance=items.variance, seeds_variance=0.0)
    degrees = satterthwaite(training, [arm.variance for arm in between], [arm.degrees for arm in between])
    bounded = min(degrees, 2 * min(arm.degrees for arm in between))
    return Noise(
        sources=(
            Part(variance=max(items.variance - both, 0.0), degrees=items.degrees),
            Part(variance=training, degrees=bounded),
        ),
        items_variance=items.variance,
        seeds_variance=added,
    )
