"""The true rate behind the rate that an imperfect classifier sees.

q the share that it calls positive among n, Se and Sp its sensitivity and specificity as found on n₁ true positives and
n₀ true negatives, J = Se + Sp − 1, p the true rate: q = p Se + (1 − p)(1 − Sp). z the normal quantile.
"""

from math import nan, sqrt

from finetune_lab.maths.agreement import Confusion, Measured
from finetune_lab.maths.intervals import UNKNOWN, Interval, normal_quantile


def rogan_gladen(rate: float, sensitivity: float, specificity: float) -> float:
    """The true rate p = (q + Sp − 1)/J, cut to [0, 1]; NaN where the classifier is no better than chance (J ≤ 0).

    Source: Rogan & Gladen (1978), Am. J. Epidemiol. 107:71.
    """
    gain = sensitivity + specificity - 1
    return min(max((rate + specificity - 1) / gain, 0.0), 1.0) if gain > 0 else nan


def corrected_rate(positives: int, num: int, calibration: Confusion, *, confidence: float = 0.95) -> Measured:
    """The true rate of `num` items of which a classifier calls `positives` positive, by its calibration on others.

    The interval counts the noise of the items and that of the calibration. It is Wald's for p after pseudo-counts,
    n' = n + z², q' = (nq + z²/2)/n', n₁' = n₁ + 2, Se' = (n₁ Se + 1)/n₁' and the same for Sp:
    p' + d ± z √{[q'(1−q')/n' + p'² Se'(1−Se')/n₁' + (1−p')² Sp'(1−Sp')/n₀']} / J',
    d = 2z² [p' Se'(1−Se')/n₁' − (1−p') Sp'(1−Sp')/n₀'], cut to [0, 1] and widened to the value. Unknown without
    items, without calibration of both kinds, or where J' ≤ 0.
    Source: Lang & Reiczigel (2014), Prev. Vet. Med. 113:13. Coverage: scripts/check_calibration.py.
    """
    num_positives, num_negatives = calibration.num_positives, calibration.num_negatives
    if not (num and num_positives and num_negatives):
        return Measured(value=nan, interval=UNKNOWN)
    hits, passes = calibration.true_positives, calibration.true_negatives
    value = rogan_gladen(positives / num, hits / num_positives, passes / num_negatives)
    z = normal_quantile(confidence)
    whole, ones, zeros = num + z**2, num_positives + 2, num_negatives + 2
    rate, sensitivity, specificity = (positives + z**2 / 2) / whole, (hits + 1) / ones, (passes + 1) / zeros
    gain = sensitivity + specificity - 1
    if gain <= 0:
        return Measured(value=value, interval=UNKNOWN)
    true = min(max((rate + specificity - 1) / gain, 0.0), 1.0)
    of_ones, of_zeros = sensitivity * (1 - sensitivity) / ones, specificity * (1 - specificity) / zeros
    shift = 2 * z**2 * (true * of_ones - (1 - true) * of_zeros)
    variance = rate * (1 - rate) / whole + true**2 * of_ones + (1 - true) ** 2 * of_zeros
    half = z * sqrt(variance) / gain
    low, high = (min(max(true + shift + sign * half, 0.0), 1.0) for sign in (-1, 1))
    return Measured(value=value, interval=Interval(low=min(low, value), high=max(high, value)))
