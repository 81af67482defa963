"""One resampling matrix and one matrix of signs for all comparisons on the same samples.

B resamples, G clusters, k columns: two comparisons that have an arm in common also share its columns.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.inference import bootstrapped, cluster_sums, needs_bootstrap, needs_swaps, swap_test
from finetune_lab.maths.intervals import Interval
from finetune_lab.maths.pairing import Pairs
from finetune_lab.maths.resampling import bootstrap_totals, flipped_totals
from finetune_lab.maths.tests import Test, exact_totals, few_moving
from finetune_lab.records import Statistic

Floats = NDArray[np.float64]
Case = tuple[Statistic, Pairs]
BATCH = 256  # comparisons whose resamples a thread holds at once: at most 80 MB for 9,999 resamples
MOST_THREADS = 4


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What one comparison got from the shared matrices; None where its method needs none."""

    interval: Interval | None = None
    swap: Test | None = None


def share(cases: Sequence[Case], *, confidence: float, resamples: int, seed: int) -> list[Shared]:
    """Resample all cases; those with as many clusters see the same resamples, whatever else is in the list."""
    ready = [Shared()] * len(cases)

    def shared(places: list[int]) -> list[Shared]:
        batch = [cases[place] for place in places]
        sums = [cluster_sums(pairs) for _, pairs in batch]
        # the same seeds for every batch: comparisons stay on one matrix however many there are
        intervals = _intervals(batch, sums, confidence, resamples, np.random.default_rng([seed, 0]))
        swaps = _swaps(batch, sums, resamples, np.random.default_rng([seed, 1]))
        return [Shared(interval=interval, swap=swap) for interval, swap in zip(intervals, swaps, strict=True)]

    # batches know nothing of one another, and matrix products and sorting let other threads work
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        batches = list(_batches(cases))
        for places, found in zip(batches, pool.map(shared, batches), strict=True):
            for place, one in zip(places, found, strict=True):
                ready[place] = one
    return ready


def _batches(cases: Sequence[Case]) -> Iterator[list[int]]:
    """Places of the cases that need resampling, at most BATCH at a time, all with the same number of clusters."""
    by_size: dict[int, list[int]] = {}
    for place, (statistic, pairs) in enumerate(cases):
        if pairs.num_pairs and needs_swaps(statistic, pairs):  # whoever needs a bootstrap needs swaps too
            by_size.setdefault(pairs.num_groups, []).append(place)
    for places in by_size.values():
        yield from (places[start : start + BATCH] for start in range(0, len(places), BATCH))


def _intervals(
    cases: list[Case], sums: list[Floats], confidence: float, resamples: int, generator: np.random.Generator
) -> list[Interval | None]:
    needed = [needs_bootstrap(statistic, pairs) for statistic, pairs in cases]
    if not any(needed):
        return [None] * len(cases)
    columns, places = _distinct(of_case for of_case, wanted in zip(sums, needed, strict=True) if wanted)
    totals = bootstrap_totals(columns, resamples=resamples, generator=generator)
    at = iter(places)
    return [
        bootstrapped(statistic, of_case, totals[:, next(at)], confidence) if wanted else None
        for (statistic, _), of_case, wanted in zip(cases, sums, needed, strict=True)
    ]


def _swaps(cases: list[Case], sums: list[Floats], resamples: int, generator: np.random.Generator) -> list[Test]:
    gaps = [of_case[:, 2:] - of_case[:, :2] for of_case in sums]
    random = [gap for gap in gaps if not few_moving(gap)]
    columns, places = _distinct(random)
    drawn = flipped_totals(columns, resamples=resamples, generator=generator) if random else columns
    at = iter(places)
    found = []
    for (statistic, pairs), of_case, gap in zip(cases, sums, gaps, strict=True):
        exact = few_moving(gap)
        flipped = exact_totals(gap) if exact else drawn[:, next(at)]
        found.append(swap_test(statistic, of_case, flipped, num=pairs.num_pairs, exact=exact))
    return found


def _distinct(tables: Iterable[Floats]) -> tuple[Floats, list[list[int]]]:
    """All different columns of the (G, k) tables side by side, and where each table's columns stand among them."""
    numbers: dict[bytes, int] = {}
    columns: list[Floats] = []
    places: list[list[int]] = []
    for table in tables:
        places.append([])
        for column in table.T:
            name = column.tobytes()
            if name not in numbers:
                numbers[name] = len(columns)
                columns.append(column)
            places[-1].append(numbers[name])
    return np.array(columns, dtype=np.float64).T, places
