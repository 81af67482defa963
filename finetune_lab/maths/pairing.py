"""Two arms on the same samples: paired by sample id, reduced to what a statistic needs.

S training seeds of an arm, n paired samples, G clusters, θ the score of one seed on all samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from finetune_lab.records import Statistic

Floats = NDArray[np.float64]


class Scored(Protocol):
    """Per-sample values of one artifact under one measure: SampleColumns, an Evaluation, what the store returns.

    NaN or None is unscored. No clusters, or an empty cluster: the sample stands for itself.
    """

    @property
    def samples(self) -> Sequence[str]: ...
    @property
    def clusters(self) -> Sequence[str]: ...
    @property
    def columns(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class SampleColumns:
    """The plainest thing that is `Scored`."""

    samples: tuple[str, ...]
    clusters: tuple[str, ...]
    columns: Mapping[str, Floats]

    @classmethod
    def of(cls, samples: Sequence[str], clusters: Sequence[str], columns: Mapping[str, Any]) -> "SampleColumns":
        """Make it from anything with one entry a sample; None becomes NaN."""
        arrays = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
        return cls(samples=tuple(samples), clusters=tuple(clusters), columns=arrays)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One side of a comparison: the columns of each of its training seeds.

    `trained`: False for a model that no seed made (the base), whose score has no noise of training.
    `values`: the score of each seed as the evaluator gave it; a jackknife statistic takes its value from here.
    """

    label: str
    seeds: tuple[Scored, ...]
    trained: bool = True
    values: tuple[float | None, ...] = ()


def no_difference(candidate: Arm, statistic: Statistic, label: str) -> Arm:
    """The other side of a contrast's score: what each sample would have if the two sides did not differ."""
    assert statistic.null is not None, "the score of a contrast says what it is without a difference"
    per_sample = statistic.null / statistic.scale
    alike = candidate.seeds[0]
    columns = {statistic.of: [per_sample] * len(alike.samples)}
    if statistic.per is not None:
        columns[statistic.per] = [1.0] * len(alike.samples)
    constant = SampleColumns.of(alike.samples, alike.clusters, columns)
    return Arm(label=label, seeds=(constant,), trained=False, values=(statistic.null,))


@dataclass(frozen=True, kw_only=True)
class Side:
    """One arm on the paired samples: numerators and denominators (S, n), and θ as reported, (S,) or None."""

    of: Floats
    per: Floats
    values: Floats | None
    trained: bool


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Both arms on the samples that every seed of both scored.

    `cluster` (n,) numbers the cluster of each pair among the `num_groups` of the reference's samples, so that two
    comparisons under one measure number them alike and can share resamples; `num_clusters` counts those in use.
    """

    reference: Side
    candidate: Side
    cluster: NDArray[np.int64]
    num_groups: int
    num_clusters: int
    num_dropped: int

    @property
    def num_pairs(self) -> int:
        return len(self.cluster)

    def by_cluster(self, values: Floats) -> Floats:
        """Sums of (..., n) values over the clusters: (..., num_groups)."""
        rows = values.reshape(-1, values.shape[-1])
        sums = [np.bincount(self.cluster, weights=row, minlength=self.num_groups) for row in rows]
        return np.array(sums, dtype=np.float64).reshape(*values.shape[:-1], self.num_groups)


def pair(statistic: Statistic, reference: Arm, candidate: Arm) -> Pairs:
    """Pair two arms by sample id, keeping the samples that all their seeds scored.

    Samples that one side lacks, or where any seed is unscored, are dropped and counted.
    """
    order = tuple(reference.seeds[0].samples)
    # of and per of every seed, NaN where it lacks the sample: (2, S, n)
    sides = [np.stack([_aligned(run, order, statistic) for run in arm.seeds], axis=1) for arm in (reference, candidate)]
    kept = ~np.any([np.isnan(side).any(axis=(0, 1)) for side in sides], axis=0)
    cluster, num_groups = cluster_numbers(order, tuple(reference.seeds[0].clusters))
    return Pairs(
        reference=_side(sides[0][:, :, kept], reference),
        candidate=_side(sides[1][:, :, kept], candidate),
        cluster=cluster[kept],
        num_groups=num_groups,
        num_clusters=int(np.count_nonzero(np.bincount(cluster[kept]))),
        num_dropped=_num_samples(order, (*reference.seeds, *candidate.seeds)) - int(kept.sum()),
    )


def scored_values(run: Scored, name: str) -> Floats:
    """A column without its unscored entries."""
    column = np.asarray(run.columns[name], dtype=np.float64)
    return column[~np.isnan(column)]


@lru_cache(maxsize=64)  # every metric and arm under one measure asks the same
def cluster_numbers(samples: tuple[str, ...], clusters: tuple[str, ...]) -> tuple[NDArray[np.int64], int]:
    """The number of each sample's cluster, by first appearance, and how many there are."""
    named = (cluster or sample for cluster, sample in zip(clusters or samples, samples, strict=True))
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in named], dtype=np.int64), len(numbers)


def _num_samples(order: tuple[str, ...], runs: tuple[Scored, ...]) -> int:
    """How many samples stand in any of the runs."""
    others = [run.samples for run in runs if tuple(run.samples) != order]
    return len(set(order).union(*others)) if others else len(order)


def _side(stacked: Floats, arm: Arm) -> Side:
    known = bool(arm.values) and all(value is not None for value in arm.values)
    values = np.array(arm.values, dtype=np.float64) if known else None
    return Side(of=stacked[0], per=stacked[1], values=values, trained=arm.trained)


def _aligned(run: Scored, order: tuple[str, ...], statistic: Statistic) -> Floats:
    """Numerator and denominator of one run in the given order of samples: (2, n)."""
    of = np.asarray(run.columns[statistic.of], dtype=np.float64)
    per = np.asarray(run.columns[statistic.per], dtype=np.float64) if statistic.per else np.ones(len(of))
    found = np.stack([of, per])
    if tuple(run.samples) == order:
        return found
    places = {sample: place for place, sample in enumerate(run.samples)}
    assert len(places) == len(run.samples), "a sample id stands twice under one measure"
    at = np.array([places.get(sample, -1) for sample in order], dtype=np.int64)
    aligned = np.full((2, len(order)), np.nan)
    aligned[:, at >= 0] = found[:, at[at >= 0]]
    return aligned
