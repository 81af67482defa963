"""What a reader must know beside a difference, in plain sentences."""

from math import isfinite, isnan

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.estimate import Estimate
from finetune_lab.maths.inference import FEW, is_clustered
from finetune_lab.maths.pairing import Pairs
from finetune_lab.records import Statistic

Floats = NDArray[np.float64]
FEW_SEEDS = 3  # up to which a seed more narrows the interval more than any number of samples


def about_data(statistic: Statistic, pairs: Pairs, found: Estimate, *, rate: bool) -> list[str]:
    """What limits the interval: seeds, dropped samples, few clusters, skew, no spread."""
    return [*_seeds(pairs), *_dropped(statistic, pairs), *([] if rate else _shape(pairs, found))]


def _seeds(pairs: Pairs) -> list[str]:
    single = [
        name
        for name, side in (("candidate", pairs.candidate), ("reference", pairs.reference))
        if side.trained and len(side.of) == 1
    ]
    if not single:
        return _few_seeds(pairs)
    if len(single) == 1 and pairs.reference.trained:
        return [f"one seed of the {single[0]}: the interval leaves out the noise of its training"]
    return ["one seed: the interval covers items only, not the noise of training"]


def _few_seeds(pairs: Pairs) -> list[str]:
    fewest = min((len(side.of) for side in (pairs.reference, pairs.candidate) if len(side.of) > 1), default=0)
    if not 0 < fewest <= FEW_SEEDS:
        return []
    return [f"{fewest} seeds: the noise of training is known roughly, so the interval is wide; a seed more narrows it"]


def _dropped(statistic: Statistic, pairs: Pairs) -> list[str]:
    if not pairs.num_dropped:
        return []
    whole = pairs.num_dropped + pairs.num_pairs
    sentences = [f"{pairs.num_dropped} of {whole} samples are left out: not scored in every run"]
    if statistic.kind == "jackknife":
        sentences.append("the scores are of all samples, their noise of the paired ones")
    return sentences


def _shape(pairs: Pairs, found: Estimate) -> list[str]:
    unit = "clusters" if is_clustered(pairs) else "pairs"
    used = found.moves[np.bincount(pairs.cluster, minlength=pairs.num_groups) > 0]
    if found.noise.variance == 0:
        return ["all differences are equal: no noise was seen, so the interval has no width"]
    sentences = []
    if pairs.num_clusters < FEW:
        sentences.append(f"only {pairs.num_clusters} {unit}: a t interval, which trusts in a normal shape")
    skewness = skew(used)
    if pairs.num_clusters < 25 * skewness**2:
        sentences.append(
            f"{pairs.num_clusters} {unit} and skewed ({skewness:+.1f}): the interval may cover less than it says"
        )
    return sentences


def skew(values: Floats) -> float:
    """The sample skewness m₃ / m₂^1.5; 0 where nothing varies.

    A mean of fewer than 25 skew² values is not near enough to normal.
    Source: Cochran (1977), Sampling Techniques, §2.15.
    """
    centred = values - values.mean()
    variance = float(np.mean(centred**2))
    return float(np.mean(centred**3)) / variance**1.5 if variance > 0 else 0.0


def about_verdict(verdict: str, p_value: float, low: float, high: float, detectable: float, unit: str) -> list[str]:
    """What the verdict does not say by itself: what a null result would have missed, why a result is unclear."""
    if verdict == "same" and isfinite(detectable):
        size = f"{detectable:.3g} {unit}".strip()
        return [f"no difference shown; one under {size} would have been missed at 80 % power"]
    if verdict != "unclear" or isnan(low):
        return []
    side = "excludes" if low > 0 or high < 0 else "includes"
    return [f"the interval {side} zero, the test has p = {p_value:.3g}: they disagree"] if isfinite(p_value) else []


def about_family(verdict: str, adjusted: float, adjustment: str, confidence: float) -> list[str]:
    """That a finding does not outlive the correction for the number of tests."""
    if verdict not in ("better", "worse") or not adjusted >= 1 - confidence:
        return []
    return [f"p = {adjusted:.3g} after {adjustment}: with so many tests this may be chance"]
