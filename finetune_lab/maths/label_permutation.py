"""Labels swapped where a swap would be fair: within a topic and a length, whole groups together, pairs within.

N prompts, L layers, B permutations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Permuted:
    """`labels` (B, N) under the null, and how many prompts can change their label at all."""

    labels: Flags
    num_exchangeable: int


def permuted_labels(
    unsafe: Flags, *, strata: Sequence[object], groups: Sequence[str], num: int, generator: np.random.Generator
) -> Permuted:
    """`num` labellings that the null hypothesis makes as likely as the one that was seen.

    A group that holds both labels (a contrast pair) is a block of its own: labels move within it. Other groups
    (paraphrases, one source) keep one label, and labels move between the groups of a stratum.
    """
    found = np.tile(unsafe, (num, 1))
    exchangeable = 0
    for units in _blocks(unsafe, strata, groups):
        given = np.array([unsafe[unit[0]] for unit in units])
        if given.all() or not given.any():
            continue
        exchangeable += sum(len(unit) for unit in units)
        drawn = given[generator.random((num, len(units))).argsort(axis=1)]
        for place, unit in enumerate(units):
            found[:, unit] = drawn[:, place : place + 1]
    return Permuted(labels=found, num_exchangeable=exchangeable)


def _blocks(unsafe: Flags, strata: Sequence[object], groups: Sequence[str]) -> list[list[Numbers]]:
    """The blocks in which labels may move: each a list of units, each unit the prompts that share one label."""
    members: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    within, between = [], {}  # type: tuple[list[list[Numbers]], dict[object, list[Numbers]]]
    for numbers in members.values():
        unit = np.array(numbers)
        if len(set(unsafe[unit].tolist())) > 1:
            within.append([unit[place : place + 1] for place in range(len(unit))])
        else:
            between.setdefault(strata[numbers[0]], []).append(unit)
    return [*within, *between.values()]


def length_bins(lengths: Floats, num_bins: int = 4) -> Numbers:
    """The quantile bin of each length: about as many prompts in each, equal lengths together."""
    edges = np.quantile(lengths, np.arange(1, num_bins) / num_bins)
    return np.searchsorted(edges, lengths, side="left").astype(np.int64)


def max_test(observed: Floats, permuted: Floats) -> tuple[float, ...]:
    """The p of each of L layers against the largest of all: observed (L,), permuted (B, L); high is far from the null.

    Every layer is first brought to the mean and deviation of its own permutations (the observed one among them), so
    that no layer rules the maximum by its scale. p = (1 + hits)/(1 + B), one-sided; the smallest is that of the largest
    layer, and of them all. NaN for a layer that is constant.
    Source: Westfall & Young (1993), Resampling-Based Multiple Testing, §2.6 (single-step max T).
    """
    whole = np.vstack([observed, permuted])
    centre, deviation = whole.mean(axis=0), whole.std(axis=0)
    p_values = np.full(len(observed), np.nan)
    known = np.isfinite(centre) & (deviation > 0)
    if known.any():
        scaled = (whole[:, known] - centre[known]) / deviation[known]
        # a tie counts as a hit although sums in another order differ in the last bits
        p_values[known] = np.mean(scaled.max(axis=1)[:, None] >= scaled[0] - 1e-9, axis=0)
    return tuple(p_values.tolist())
