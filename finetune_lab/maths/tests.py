"""Tests of "no difference", all two-sided, none with p = 0.

n pairs, d[i] = candidate − reference of pair i, G clusters, B random sign patterns.
A NaN on either side is unscored: the pair is left out.
"""

from dataclasses import dataclass
from math import nan, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.resampling import RESAMPLES, flipped_totals

Floats = NDArray[np.float64]
MOST_EXACT = 14  # clusters whose 2^m sign patterns are all tried
MOST_EXACT_RANKS = 8  # the smaller group up to which the exact distribution of U is counted out
SMALLEST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, kw_only=True)
class Test:
    """What a test found. `exact`: all patterns were counted, not a random part or a limit."""

    name: str
    p_value: float  # NaN: nothing to test
    statistic: float
    num: int
    exact: bool


def sign_flip(
    values: Floats,
    reference: Floats,
    *,
    generator: np.random.Generator,
    clusters: NDArray[np.int64] | None = None,
    resamples: int = RESAMPLES,
) -> Test:
    """The permutation test of paired means: were the arms' names swapped, would the mean move as far?

    Clusters (numbered from 0) are swapped together. Exact up to 14 clusters that differ, else p = (1 + hits)/(1 + B).
    All differences zero gives 1; no pairs give NaN.
    Source: Fisher (1935), The Design of Experiments, §21; add-one: Phipson & Smyth (2010), SAGMB 9:39.
    """
    differences = values - reference
    kept = ~np.isnan(differences)
    keys = np.arange(len(differences)) if clusters is None else clusters
    sums = np.bincount(keys[kept], weights=differences[kept]).astype(np.float64)
    num = int(kept.sum())
    if num == 0:
        return Test(name="sign flip", p_value=nan, statistic=nan, num=0, exact=True)
    exact, column = few_moving(sums[:, None]), sums[:, None]
    totals = exact_totals(column) if exact else flipped_totals(column, resamples=resamples, generator=generator)
    observed = float(sums.sum()) / num
    p_value = permutation_p(observed, totals[:, 0] / num, exact=exact)
    return Test(name="sign flip", p_value=p_value, statistic=observed, num=num, exact=exact)


def few_moving(differences: Floats) -> bool:
    """Whether so few of the (G, k) rows are not zero that all their sign patterns can be tried."""
    return int(np.sum(np.any(differences != 0, axis=1))) <= MOST_EXACT


def exact_totals(differences: Floats) -> Floats:
    """Totals of (G, k) differences under every pattern of swaps: (2^m, k), m the rows that are not zero."""
    moving = differences[np.any(differences != 0, axis=1)]
    bits = (np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving))) & 1
    return (2.0 * bits - 1.0) @ moving


def permutation_p(observed: float, replicates: Floats, *, exact: bool) -> float:
    """The share of replicates at least as far from zero, with the observed one counted among random ones."""
    # ties must count as hits although sums in another order differ in the last bits
    # and what cannot be scored under a swap counts as a hit too
    hits = int(np.sum(~(np.abs(replicates) < abs(observed) * (1 - 1e-9))))
    return hits / len(replicates) if exact else (1 + hits) / (1 + len(replicates))


def mcnemar(gained: int, lost: int) -> Test:
    """The exact test of two pass rates on the same samples: of the pairs that disagree, half should gain.

    p = min(1, 2 P(X ≤ min(b, c))), X ~ Binomial(b + c, ½); 1 where no pair disagrees.
    Source: McNemar (1947), Psychometrika 12; Fagerland et al. (2013), BMC Med. Res. Meth. 13:91.
    """
    num = gained + lost
    if num == 0:
        return Test(name="exact McNemar", p_value=1.0, statistic=0.0, num=0, exact=True)
    from scipy.special import bdtr

    p_value = min(1.0, max(2 * float(bdtr(min(gained, lost), num, 0.5)), SMALLEST))
    return Test(name="exact McNemar", p_value=p_value, statistic=float(gained - lost), num=num, exact=True)


def t_test(estimate: float, variance: float, degrees: float, *, name: str) -> Test:
    """Student's test of estimate = 0. No variance: 1 for zero, NaN for anything else (nothing to compare it with)."""
    if not degrees > 0 or not variance >= 0:
        return Test(name=name, p_value=nan, statistic=nan, num=0, exact=False)
    if variance == 0:
        return Test(name=name, p_value=1.0 if estimate == 0 else nan, statistic=nan, num=0, exact=False)
    statistic = estimate / sqrt(variance)
    if degrees > 1e7:
        p_value = 2 * NormalDist().cdf(-abs(statistic))
    else:
        from scipy.special import stdtr

        p_value = 2 * float(stdtr(degrees, -abs(statistic)))
    return Test(name=name, p_value=max(p_value, SMALLEST), statistic=statistic, num=0, exact=False)


def paired_t(values: Floats, reference: Floats) -> Test:
    """Student's test of paired means (Student, 1908). NaN for fewer than two pairs or equal, nonzero differences."""
    differences = (values - reference)[~np.isnan(values - reference)]
    num = len(differences)
    if num < 2:
        return Test(name="paired t", p_value=nan, statistic=nan, num=num, exact=False)
    found = t_test(float(differences.mean()), float(differences.var(ddof=1)) / num, num - 1, name="paired t")
    return Test(name=found.name, p_value=found.p_value, statistic=found.statistic, num=num, exact=False)


def mann_whitney(values: Floats, other: Floats) -> Test:
    """The rank test of two independent groups; for unpaired scores only, it throws pairs away.

    Exact where the smaller group has at most 8 and nothing is tied, else normal, corrected for ties and continuity.
    Two values of one size everywhere give 1; an empty group gives NaN.
    Source: Mann & Whitney (1947), Ann. Math. Stat. 18; ties: Lehmann (1975), Nonparametrics, §1.4.
    """
    one, two = (group[~np.isnan(group)] for group in (values, other))
    num, other_num = len(one), len(two)
    if num == 0 or other_num == 0:
        return Test(name="Mann–Whitney U", p_value=nan, statistic=nan, num=num + other_num, exact=False)
    _, place, ties = np.unique(np.concatenate([one, two]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[place]
    statistic = float(ranks[:num].sum()) - num * (num + 1) / 2
    exact = min(num, other_num) <= MOST_EXACT_RANKS and bool(np.all(ties == 1))
    find = _exact_ranks if exact else _normal_ranks
    p_value = min(1.0, max(find(statistic, num, other_num, ties), SMALLEST))
    return Test(name="Mann–Whitney U", p_value=p_value, statistic=statistic, num=num + other_num, exact=exact)


def _exact_ranks(statistic: float, num: int, other_num: int, _: NDArray[np.int64]) -> float:
    """2 P(U ≥ the larger tail), by counting the partitions that give each U: coefficients of a Gaussian binomial."""
    counts = [1] + [0] * (num * other_num)
    for size in range(1, num + 1):  # times (1 − q^(other_num + size)) / (1 − q^size), in whole numbers
        for place in range(len(counts) - 1, other_num + size - 1, -1):
            counts[place] -= counts[place - other_num - size]
        for place in range(size, len(counts)):
            counts[place] += counts[place - size]
    larger = int(max(statistic, num * other_num - statistic))
    return 2 * (sum(counts[larger:]) / sum(counts))


def _normal_ranks(statistic: float, num: int, other_num: int, ties: NDArray[np.int64]) -> float:
    whole = num + other_num
    correction = float(np.sum(ties.astype(float) ** 3 - ties)) / max(whole * (whole - 1), 1)
    variance = num * other_num / 12 * (whole + 1 - correction)
    if variance <= 0:
        return 1.0
    distance = max(abs(statistic - num * other_num / 2) - 0.5, 0.0)
    return 2 * NormalDist().cdf(-distance / sqrt(variance))
