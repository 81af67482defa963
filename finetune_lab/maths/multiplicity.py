"""Many tests at once: p-values that hold for a family.

m p-values, p₍₁₎ ≤ … ≤ p₍ₘ₎ in order. NaN (nothing was tested) stays NaN and does not count in m.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def holm(p_values: Floats) -> Floats:
    """Adjusted p-values that bound the chance of any false finding: max over j ≤ i of (m − j + 1) p₍ⱼ₎, at most 1.

    Holds under any dependence. Source: Holm (1979), Scand. J. Stat. 6:65.
    """
    return _in_order(p_values, lambda p: np.maximum.accumulate(p * np.arange(len(p), 0, -1)))


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Adjusted p-values that bound the share of false findings: min over j ≥ i of m p₍ⱼ₎ / j, at most 1.

    Holds for independent and positively dependent tests. Source: Benjamini & Hochberg (1995), JRSS B 57:289.
    """
    return _in_order(p_values, lambda p: np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1])


def _in_order(p_values: Floats, adjust: Callable[[Floats], Floats]) -> Floats:
    adjusted = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    adjusted[order] = np.minimum(adjust(p_values[order]), 1.0) if len(order) else []
    return adjusted
