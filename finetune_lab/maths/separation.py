"""How far two labelled classes of states lie apart: δ², Xie–Beni, Calinski–Harabasz, AQI, and their jackknife.

N prompts, n₁ safe and n₂ unsafe, d dimensions, X (N, d) their states; m₁, m₂ (d,) the class means; S₁, S₂ the class
covariances (denominator n − 1), S the pooled one, ν = N − 2; tr the trace; B resamples or permutations.
`unsafe` (N,) is True for the second class.

    δ²  = (‖m₁ − m₂‖² − tr S₁/n₁ − tr S₂/n₂) / tr S     unbiased: zero on average without an effect, free of N
    XBI = ν tr S / (N ‖m₁ − m₂‖²)                        Xie & Beni (1991), IEEE TPAMI 13:841; low is apart
    CHI = (n₁ n₂ / N) ‖m₁ − m₂‖² / tr S                  Caliński & Harabasz (1974), Comm. Stat. 3:1
    AQI = λ/XBI + (1 − λ) CHI                            Borah et al. (2025), arXiv:2506.13901

With two labelled classes CHI · XBI = n₁ n₂ ν / N² exactly: one statistic under three names, which grows with N. The
numerator of δ² is that of Bai & Saranadasa (1996), Statistica Sinica 6:311; it estimates Cohen's d², summed over
dimensions. Where prompts share a group (contrast pairs, paraphrases), maths/group_noise takes the place of
tr S₁/n₁ + tr S₂/n₂. The delete-one jackknife is Tukey's (Efron & Tibshirani, 1993, ch. 11).

Standardised states have each dimension divided by its pooled within-class deviation in `reference`: states of the same
prompts, the model's own or the base's. A deviation found in the same prompts makes ‖m₁ − m₂‖² too large by ν/(ν − 2)
on average (normal data), so the numerator of δ² is shrunk by as much.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.group_noise import GroupNoise
from finetune_lab.maths.intervals import UNKNOWN, Interval, around

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]
CONSTANT = 1e-12  # a variance under this part of the squared mean is what rounding leaves of a constant
_BLOCK_ENTRIES = 2**19  # of one block of deleted rows or resamples: bounds the memory, whatever N and B are


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What all indices are made of: numbers, or arrays with one entry for each deletion, resample or permutation.

    `between` is ‖m₁ − m₂‖², `noise` what chance adds to it, `pooled` tr S; `shrink` is what δ² multiplies `between` by.
    Indices of constant states are NaN.
    """

    num_safe: Any
    num_unsafe: Any
    between: Any
    noise: Any
    pooled: Any
    shrink: Any = 1.0

    @property
    def num(self) -> Any:
        return self.num_safe + self.num_unsafe

    @property
    def delta_squared(self) -> Any:
        return _over(self.shrink * self.between - self.noise, self.pooled)

    @property
    def xie_beni(self) -> Any:
        return _over((self.num - 2) * self.pooled, self.num * self.between)

    @property
    def calinski_harabasz(self) -> Any:
        return _over(self.num_safe * self.num_unsafe * self.between, self.num * self.pooled)

    def aqi(self, weight: float) -> Any:
        """λ/XBI + (1 − λ) CHI for λ = `weight`."""
        return weight * _over(1.0, self.xie_beni) + (1 - weight) * self.calinski_harabasz


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Of one class: its number, mean (…, d) and sums of squared deviations from it (…, d)."""

    num: Any
    mean: Floats
    squares: Floats

    @classmethod
    def of(cls, states: Floats) -> "Moments":
        mean = states.mean(axis=0)
        return cls(num=len(states), mean=mean, squares=np.square(states - mean).sum(axis=0))

    def without(self, states: Floats) -> "Moments":
        """The moments with each of `states` (k, d), members of the class, left out by itself."""
        gap, left = states - self.mean, self.num - 1
        return Moments(num=left, mean=self.mean - gap / left, squares=self.squares - gap**2 * (self.num / left))


Classes = tuple[Moments, Moments]


def spread(states: Floats, unsafe: Flags, *, reference: Floats | None = None, groups: Numbers | None = None) -> Spread:
    """The spread of X (N, d), standardised by `reference` (N, d); None leaves the scale as it is.

    `groups` (N,) numbers the groups from 0; None: no two prompts share one.
    """
    noise = _group_noise(states, unsafe, groups)
    other = None if reference is None else moments(reference, unsafe)
    return spread_of(moments(states, unsafe), other, noise=noise.whole() if noise else None)


def spread_without(
    states: Floats, unsafe: Flags, *, reference: Floats | None = None, groups: Numbers | None = None
) -> Spread:
    """The spread with each prompt left out in turn, from X and `reference` alike: entries (N,); O(N · d) work."""
    own, other = moments(states, unsafe), None if reference is None else moments(reference, unsafe)
    noise = _group_noise(states, unsafe, groups)
    fields = {name: np.empty(len(states)) for name in Spread.__dataclass_fields__}
    for number, members in enumerate((np.flatnonzero(~unsafe), np.flatnonzero(unsafe))):
        for rows in _blocks(members, states.shape[1]):
            scale = None if reference is None or other is None else _left(other, number, reference[rows])
            left = _left(own, number, states[rows])
            found = spread_of(left, scale, noise=noise.without(rows) if noise else None)
            for name, column in fields.items():
                column[rows] = getattr(found, name)
    return Spread(**fields)


def _group_noise(states: Floats, unsafe: Flags, groups: Numbers | None) -> GroupNoise | None:
    """None where no two prompts share a group: the plain formula is then exact, and has no need of a centre."""
    alone = groups is None or len(np.unique(groups)) == len(groups)
    return None if alone or groups is None else GroupNoise(states, unsafe, groups)


def standardise(states: Floats, unsafe: Flags) -> Floats:
    """Each dimension over its pooled within-class deviation; a constant one becomes zero."""
    return np.asarray(states * np.sqrt(_weights(moments(states, unsafe), standardised=True)))


def moments(states: Floats, unsafe: Flags) -> Classes:
    """The moments of both classes. An assert: at least two prompts a class."""
    assert min(np.sum(unsafe), np.sum(~unsafe)) > 1, "a class needs two prompts"
    return Moments.of(states[~unsafe]), Moments.of(states[unsafe])


def spread_of(classes: Classes, reference: Classes | None, *, noise: Floats | None = None) -> Spread:
    """The spread from moments; `reference`: those that standardise. All of them may have a leading axis.

    `noise` (…, d) is what chance adds to each dimension of (m₁ − m₂)²; None: tr S₁/n₁ + tr S₂/n₂.
    """
    safe, unsafe = classes
    weights = _weights(reference or classes, standardised=reference is not None)
    freedom = (reference[0].num + reference[1].num - 2) if reference else None
    within = [(weights * side.squares).sum(axis=-1) for side in classes]
    alone = sum(part / (side.num * (side.num - 1)) for part, side in zip(within, classes, strict=True))
    return Spread(
        num_safe=safe.num,
        num_unsafe=unsafe.num,
        between=(weights * (safe.mean - unsafe.mean) ** 2).sum(axis=-1),
        noise=alone if noise is None else (weights * noise).sum(axis=-1),
        pooled=(within[0] + within[1]) / (safe.num + unsafe.num - 2),
        shrink=1.0 if freedom is None else (freedom - 2) / freedom,
    )


def permuted_delta_squared(states: Floats, labels: Flags, *, standardised: bool) -> Floats:
    """δ² under each of the labellings (B, N), deviations found anew under each: (B,).

    Without the noise of groups: what they share is the same in all permutations that keep them together.
    """
    centred = states - states.mean(axis=0)
    squared, found = centred**2, np.empty(len(labels))
    for rows in _blocks(np.arange(len(labels)), states.shape[1]):
        chosen = labels[rows].astype(np.float64)
        classes = _weighted(1 - chosen, centred, squared), _weighted(chosen, centred, squared)
        found[rows] = spread_of(classes, classes if standardised else None).delta_squared
    return found


def bootstrap_classes(safe: Floats, unsafe: Floats, states: Floats, flags: Flags) -> Classes:
    """The moments of resampled classes, from how often each member was drawn: (B, n₁) and (B, n₂) counts."""
    first, second = states[~flags], states[flags]
    return _weighted(safe, first, first**2), _weighted(unsafe, second, second**2)


def clustered_interval(
    value: float, left_out: Floats, clusters: NDArray[np.int64], *, confidence: float = 0.95
) -> Interval:
    """The jackknife interval with the influences of a cluster's prompts added up; a prompt by itself is its cluster.

    G/(G − 1) Σ over clusters of (Σ (N−1)/N (θ̄ − θ₍ᵢ₎))², Student's quantile with G − 1 degrees of freedom.
    """
    num, groups = len(left_out), len(np.unique(clusters))
    if groups < 2 or not np.all(np.isfinite(left_out)):
        return UNKNOWN
    moves = (num - 1) / num * (left_out.mean() - left_out)
    sums = np.bincount(clusters, weights=moves)
    return around(value, groups / (groups - 1) * float(np.sum(sums**2)), groups - 1, confidence=confidence)


@dataclass(frozen=True, kw_only=True)
class Published:
    """Normalised columns of one published table, each between 0 and 100."""

    chi: Floats
    xie_beni: Floats
    aqi: Floats


def published(chi: Sequence[float], xie_beni: Sequence[float]) -> Published:
    """The normalisation of published AQI tables over their rows (seven axioms and overall); AQI is the mean of both.

    CHI: 100 · min-max. XB: max(10, 100 · sigmoid((median XB − XB) / IQR XB)). Relative within one run: the best row
    has CHI 100 by construction, and two runs cannot be compared by it. Rows that are all equal give NaN.
    Source: the tables and code of kapilw25/multi_agent_alignment_drift.
    """
    raw, index = np.asarray(chi, dtype=np.float64), np.asarray(xie_beni, dtype=np.float64)
    scaled = 100 * _over(raw - raw.min(), np.full(raw.shape, raw.max() - raw.min()))
    quartiles = np.percentile(index, [25, 75])
    steps = _over(np.median(index) - index, np.full(index.shape, quartiles[1] - quartiles[0]))
    with np.errstate(over="ignore"):
        squashed = np.maximum(10.0, 100 / (1 + np.exp(-steps)))
    return Published(chi=scaled, xie_beni=squashed, aqi=(scaled + squashed) / 2)


def _left(classes: Classes, number: int, states: Floats) -> Classes:
    safe, unsafe = classes
    return (safe.without(states), unsafe) if number == 0 else (safe, unsafe.without(states))


def _weights(classes: Classes, *, standardised: bool) -> Floats:
    """What multiplies each squared dimension: one over the pooled variance, or one; nothing for a constant one."""
    safe, unsafe = classes
    within = (safe.squares + unsafe.squares) / np.asarray(safe.num + unsafe.num - 2)[..., None]
    varies = within > CONSTANT * np.maximum(safe.mean**2, unsafe.mean**2)
    return np.asarray(np.divide(1.0, within, out=np.zeros_like(within), where=varies) if standardised else varies * 1.0)


def _weighted(counts: Floats, states: Floats, squared: Floats) -> Moments:
    """Moments of rows that count `counts` (B, n) times: means (B, d)."""
    num = counts.sum(axis=1)
    mean = counts @ states / num[:, None]
    return Moments(num=num, mean=mean, squares=np.maximum(counts @ squared - num[:, None] * mean**2, 0.0))


def _blocks(rows: NDArray[np.int64], width: int) -> Iterator[NDArray[np.int64]]:
    size = max(1, _BLOCK_ENTRIES // width)
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _over(above: Any, below: Any) -> Any:
    """The ratio, NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(np.asarray(below) == 0, nan, np.true_divide(above, below))
    return found if found.ndim else float(found)
