"""How well several raters agree, where none of them is the truth.

U units, m_u values given to unit u, n = Σ m_u over units with two values or more, δ² the squared distance of two.
"""

from collections import Counter
from collections.abc import Sequence
from math import nan

import numpy as np

from finetune_lab.maths.agreement import Measured
from finetune_lab.maths.intervals import UNKNOWN, Interval, around

Ratings = Sequence[Sequence[float | None]]  # for each rater a value for each unit; None: not rated


def krippendorff_alpha(ratings: Ratings, *, confidence: float = 0.95) -> Measured:
    """α = 1 − D_o/D_e for values on an interval scale, δ² = (a − b)²; with a delete-one jackknife over units.

    1 is full agreement, 0 that of chance; unknown where all values are one and the same, or no unit has two.
    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, Univ. of Pennsylvania.
    """
    units = [[float(value) for value in unit if value is not None] for unit in zip(*ratings, strict=True)]
    units = [unit for unit in units if len(unit) > 1]
    value = _alpha(units)
    if not np.isfinite(value) or len(units) < 3:
        return Measured(value=value, interval=UNKNOWN)
    left_out = np.array([_alpha(units[:place] + units[place + 1 :]) for place in range(len(units))])
    if not np.isfinite(left_out).all():
        return Measured(value=value, interval=UNKNOWN)
    num = len(units)
    variance = (num - 1) / num * float(np.sum((left_out - left_out.mean()) ** 2))
    found = around(value, variance, num - 1.0, confidence=confidence)
    return Measured(value=value, interval=Interval(low=found.low, high=min(found.high, 1.0)))


def table_of(one: Sequence[float | None], other: Sequence[float | None]) -> list[list[int]]:
    """How often one rater said i and the other j, over the units that both rated, in the order of the values."""
    both = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    values = sorted({value for pair in both for value in pair})
    counts = Counter(both)
    return [[counts[a, b] for b in values] for a in values]


def _alpha(units: Sequence[Sequence[float]]) -> float:
    """D_o = Σ_u Σ_{i≠j} δ²/(m_u − 1)/n and D_e = Σ_{i≠j} δ²/(n(n − 1)), by Σ_{i≠j}(a − b)² = 2(mΣa² − (Σa)²)."""
    num = sum(len(unit) for unit in units)
    if num < 2:
        return nan
    whole = np.concatenate([np.asarray(unit) for unit in units])
    whole = whole - whole.mean()  # shifts nothing but rounding
    expected = 2 * (num * float(whole @ whole) - float(whole.sum()) ** 2) / (num * (num - 1))
    if expected <= 1e-12:
        return nan
    observed = 0.0
    for unit in units:
        values = np.asarray(unit)
        observed += 2 * (len(unit) * float(values @ values) - float(values.sum()) ** 2) / (len(unit) - 1)
    return 1 - observed / num / expected
