"""What a comparison could have seen, and what it would need.

se the standard error of a difference, ν its degrees of freedom, α = 1 − confidence, β = 1 − power, Δ a difference.
"""

from collections.abc import Callable
from math import inf, isfinite, nan, sqrt

from finetune_lab.maths.intervals import t_quantile

POWER = 0.8
MOST = 10_000_000


def detectable(error: float, degrees: float, *, confidence: float = 0.95, power: float = POWER) -> float:
    """The smallest difference found with probability `power`: (t_{1−α/2,ν} + t_{power,ν}) se; NaN if unknown.

    Source: Bloom (1995), Evaluation Review 19:547.
    """
    if not error >= 0 or not degrees > 0:
        return nan
    return (t_quantile((1 + confidence) / 2, degrees) + t_quantile(power, degrees)) * error


def items_needed(difference: float, deviation: float, *, confidence: float = 0.95, power: float = POWER) -> float:
    """The fewest pairs with which `difference` is found, for differences that deviate by `deviation` (one seed).

    Infinite for no difference. For clustered items multiply by the design effect. At least 2.
    """
    return _fewest(
        lambda num: detectable(deviation / sqrt(num), num - 1, confidence=confidence, power=power), difference
    )


def seeds_needed(
    difference: float,
    seed_deviation: float,
    items_error: float,
    *,
    num_trained_arms: int = 1,
    confidence: float = 0.95,
    power: float = POWER,
) -> float:
    """The fewest seeds an arm with which `difference` is found, given what the items leave uncertain.

    se² = items_error² + arms seed_deviation² / S, ν = S − 1 in the seeds' part. Infinite where the items alone
    hide the difference: then more seeds are no help.
    """

    def found(num: int) -> float:
        seeds = num_trained_arms * seed_deviation**2 / num
        variance = items_error**2 + seeds
        degrees = variance**2 * num_trained_arms * (num - 1) / seeds**2 if seeds > 0 else inf
        return detectable(sqrt(variance), degrees, confidence=confidence, power=power)

    return _fewest(found, difference)


def _fewest(detectable_with: Callable[[int], float], difference: float) -> float:
    """The smallest num ≥ 2 whose detectable difference is at most `difference`; it falls as num rises."""
    if not isfinite(difference) or difference == 0 or detectable_with(MOST) > abs(difference):
        return inf
    low, high = 1, 2
    while detectable_with(high) > abs(difference):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable_with(middle) <= abs(difference) else (middle, high)
    return high
