"""What chance alone adds to the squared distance of two class means, where prompts of one group belong together.

Two prompts of a group (a contrast pair, paraphrases) share words and frame, so their states are not independent: a
pair's common part drops out of m₁ − m₂ and makes it less noisy than tr S₁/n₁ + tr S₂/n₂ says, paraphrases of one label
more. Products of prompts from different groups have no such part. With x centred, 1 and 2 the classes, g the groups:

    ‖μ₁ − μ₂‖² ≈ Σ x₁·x₁′/P₁₁ + Σ x₂·x₂′/P₂₂ − 2 Σ x₁·x₂/P₁₂     over pairs of different groups, P their numbers

which has the right mean whatever the groups share (a U-statistic; Hoeffding, 1948, Ann. Math. Stat. 19:293), and the
noise is ‖m₁ − m₂‖² minus it. Where no two prompts share a group the noise is tr S₁/n₁ + tr S₂/n₂ exactly, and for G
contrast pairs tr S_d/G, d a pair's difference. All of it dimension by dimension: (d,), or (k, d) for deletions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Side:
    """One class: its sum T (…, d), Σ_g s_g² (…, d) of its group sums, its number, and how many pairs share a group."""

    total: Floats
    squares: Floats
    num: int
    shared: int | Floats


class GroupNoise:
    """The noise of X (N, d) with groups numbered from 0, (N,); and with each prompt left out."""

    def __init__(self, states: Floats, unsafe: Flags, groups: Numbers) -> None:
        # the centre changes nothing on average; near the middle, sums of products lose no digits
        self._states, self._unsafe, self._groups = states - states.mean(axis=0), unsafe, groups
        num_groups = int(groups.max()) + 1
        self._sums = [np.zeros((num_groups, states.shape[1])) for _ in range(2)]
        self._counts = [np.bincount(groups[side], minlength=num_groups) for side in (~unsafe, unsafe)]
        for sums, side in zip(self._sums, (~unsafe, unsafe), strict=True):
            np.add.at(sums, groups[side], self._states[side])
        self._sides = [
            _Side(
                total=sums.sum(axis=0),
                squares=np.square(sums).sum(axis=0),
                num=int(counts.sum()),
                shared=int(np.sum(counts**2)),
            )
            for sums, counts in zip(self._sums, self._counts, strict=True)
        ]
        self._across = (self._sums[0] * self._sums[1]).sum(axis=0)
        self._shared_across = int(np.sum(self._counts[0] * self._counts[1]))

    def whole(self) -> Floats:
        """The noise of each dimension; NaN where all prompts of a class are one group."""
        return _noise(self._sides[0], self._sides[1], self._across, self._shared_across)

    def without(self, rows: Numbers) -> Floats:
        """The noise with each of `rows`, all of one class, left out by itself: (k, d). The centre stays."""
        place = int(self._unsafe[rows[0]])
        own, other, groups = self._sides[place], self._sides[1 - place], self._groups[rows]
        state, count = self._states[rows], self._counts[place][groups]
        left = _Side(
            total=own.total - state,
            squares=own.squares - 2 * state * self._sums[place][groups] + state**2,
            num=own.num - 1,
            shared=(own.shared - 2 * count + 1).astype(np.float64)[:, None],
        )
        across = self._across - state * self._sums[1 - place][groups]
        shared = (self._shared_across - self._counts[1 - place][groups]).astype(np.float64)[:, None]
        return _noise(left, other, across, shared)


def _noise(one: _Side, other: _Side, across: Floats, shared_across: int | Floats) -> Floats:
    between = (one.total / one.num - other.total / other.num) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        within = [np.true_divide(side.total**2 - side.squares, side.num**2 - side.shared) for side in (one, other)]
        crossed = np.true_divide(one.total * other.total - across, one.num * other.num - shared_across)
    return np.asarray(between - within[0] - within[1] + 2 * crossed)
