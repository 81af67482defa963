"""Near-duplicates among many texts: MinHash to find candidates, the exact Jaccard similarity to decide.

J(A, B) = |A ∩ B| / |A ∪ B| of two texts' sets of shingles. The least value of a random permutation of all shingles is
the same for A and B with probability J; a band is r such values together; b bands meet in at least one with
probability 1 − (1 − Jʳ)ᵇ.
Sources: Broder (1997), Compression and Complexity of Sequences, 21; Leskovec, Rajaraman & Ullman (2020), ch. 3.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log1p

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.families import Families
from finetune_lab.text.shingles import HASH_BITS, ROW_BITS, Hashes, Shingles, mixed

Rows = NDArray[np.int64]
Pairs = tuple[Rows, Rows]

_BLOCK_VALUES = 1 << 16  # hashes at once under a permutation: they and their image stay in the processor's cache
_BLOCK_SHINGLES = 1 << 22  # of both sides of all pairs that are compared at once
_PAIRS_AT_ONCE = 50_000


@dataclass(frozen=True, kw_only=True)
class Banding:
    """`num_bands` bands of `num_values` least values each."""

    num_bands: int
    num_values: int

    def chance(self, similarity: float) -> float:
        """The probability that two texts of this similarity become candidates."""
        return float(1 - (1 - similarity**self.num_values) ** self.num_bands)


def tuned(threshold: float, *, recall: float, num_permutations: int) -> Banding:
    """The steepest banding that finds pairs at `threshold` with probability `recall`, at least.

    Raises ValueError where so few permutations cannot do it.
    """
    for num_values in range(num_permutations, 0, -1):
        met = threshold**num_values
        if met == 0:  # too small a number to be told from 0
            continue
        num_bands = ceil(log1p(-recall) / log1p(-met)) if met < 1 else 1
        if num_bands * num_values <= num_permutations:
            return Banding(num_bands=num_bands, num_values=num_values)
    raise ValueError(f"{num_permutations} permutations are too few for a recall of {recall:g} at {threshold:g}")


def least_values(sets: Shingles, *, num_permutations: int, seed: int) -> NDArray[np.uint32]:
    """The signatures [texts, permutations]; only rows with shingles mean anything.

    The permutations are x → a·x + b modulo 2³² with odd a, of the mixed hashes (universal hashing, one to one).
    """
    draw = np.random.default_rng(seed)
    factors = draw.integers(0, 1 << 31, num_permutations, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    shifts = draw.integers(0, 1 << 32, num_permutations, dtype=np.uint32)
    found = np.zeros((num_permutations, len(sets)), dtype=np.uint32)
    for rows in _alike_in_length(sets.counts):
        values = _side_by_side(sets, rows)
        image = np.empty_like(values)
        for number, (factor, shift) in enumerate(zip(factors, shifts, strict=True)):
            np.multiply(values, factor, out=image)
            np.add(image, shift, out=image)
            found[number, rows] = np.minimum.reduce(image, axis=0)
    return found.T


def _alike_in_length(counts: Rows) -> Iterator[Rows]:
    """Rows with shingles, in blocks of similar counts, so that little is padded."""
    order = np.argsort(counts, kind="stable")
    start = int(np.searchsorted(counts[order], 1))
    while start < len(order):
        longest = int(counts[order[start]])
        stop = start + max(1, _BLOCK_VALUES // longest)
        while stop - start > 1 and int(counts[order[min(stop, len(order)) - 1]]) > 1.25 * longest + 4:
            stop = start + (min(stop, len(order)) - start) // 2
        yield order[start:stop]
        start = stop


def _side_by_side(sets: Shingles, rows: Rows) -> NDArray[np.uint32]:
    """The hashes of `rows` as columns; a short column repeats its last hash, which changes no least value."""
    counts = sets.counts[rows]
    place = np.minimum(np.arange(int(counts.max()))[:, None], counts - 1)
    return (mixed(sets.hashes[sets.starts[rows] + place]) >> np.uint64(32)).astype(np.uint32)


def band_keys(sets: Shingles, banding: Banding, *, seed: int) -> Iterator[Hashes]:
    """Band by band a number for every text; texts with equal numbers are candidates. Empty texts have 0."""
    num = banding.num_bands * banding.num_values
    signatures = least_values(sets, num_permutations=num, seed=seed)
    empty = sets.counts == 0
    for first in range(0, num, banding.num_values):
        key = np.zeros(len(sets), dtype=np.uint64)
        for column in range(first, first + banding.num_values):
            key = mixed(key + np.uint64(0x9E3779B97F4A7C15) + signatures[:, column])
        key[empty] = 0
        yield key


def jaccard(left: Shingles, right: Shingles, pairs: Pairs) -> NDArray[np.float64]:
    """The exact similarity of text `pairs[0][i]` of `left` and text `pairs[1][i]` of `right`; 0 for empty texts."""
    ones, others = pairs
    sizes = left.counts[ones] + right.counts[others]
    shared = np.zeros(len(ones), dtype=np.int64)
    for span in _spans(sizes):
        both = np.concatenate([_numbered(left, ones[span]), _numbered(right, others[span])])
        both.sort()
        twice = both[1:][both[1:] == both[:-1]]  # a set holds a hash once, so it stands twice only where both have it
        shared[span] = np.bincount((twice >> np.uint64(HASH_BITS)).astype(np.int64), minlength=len(ones[span]))
    return np.divide(shared, sizes - shared, out=np.zeros(len(ones)), where=sizes > 0)


def _spans(sizes: Rows) -> Iterator[slice]:
    """Neighbouring pairs, so many at once as memory and the bits of a pair's number allow."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + _BLOCK_SHINGLES, side="right"))
        stop = min(max(stop, start + 1), start + (1 << ROW_BITS))
        yield slice(start, stop)
        start = stop


def _numbered(sets: Shingles, rows: Rows) -> Hashes:
    """The hashes of `rows`, each under the number of its row's place."""
    counts = sets.counts[rows]
    shift = sets.starts[rows] - (np.cumsum(counts) - counts)
    hashes = sets.hashes[np.arange(int(counts.sum())) + np.repeat(shift, counts)]
    return hashes | (np.repeat(np.arange(len(rows)), counts).astype(np.uint64) << np.uint64(HASH_BITS))


def near_families(sets: Shingles, *, threshold: float, banding: Banding, seed: int) -> Families:
    """Unite all texts whose similarity is `threshold` or more, as far as the bands meet; empty texts stay alone.

    Every link is checked by the exact similarity. Time grows with the candidates, memory with the texts alone.
    """
    families = Families(len(sets))

    def settle(ones: Rows, others: Rows) -> None:
        counts = sets.counts
        small, large = np.minimum(counts[ones], counts[others]), np.maximum(counts[ones], counts[others])
        hopeful = (families.labels[ones] != families.labels[others]) & (small >= threshold * large - 1e-9)
        ones, others = ones[hopeful], others[hopeful]
        close = jaccard(sets, sets, (ones, others)) >= threshold - 1e-12
        families.join(ones[close], others[close])

    settle(*_identical(sets))
    heads = np.flatnonzero((families.labels == np.arange(len(sets))) & (sets.counts > 0))
    for keys in band_keys(sets, banding, seed=seed):
        for pairs in _candidates(keys, heads, families):
            settle(*pairs)
    return families


def _identical(sets: Shingles) -> Pairs:
    """Each text with shingles beside the first one whose set has the same sum of hashes and so, surely, is the same."""
    filled = np.flatnonzero(sets.counts > 0)
    sums = np.add.reduceat(mixed(sets.hashes), sets.starts[filled]) if len(filled) else sets.hashes[:0]
    _, first, which = np.unique(sums, return_index=True, return_inverse=True)
    return filled[first[which]], filled


def _candidates(keys: Hashes, rows: Rows, families: Families) -> Iterator[Pairs]:
    """All pairs of `rows` with equal keys, many at once; families that are whole already are left out on the way."""
    # a key's high bits above a row's number: sorting these is several times as fast as sorting rows by their keys,
    # and the low bits that are lost make no more than a few candidates too many
    bits = np.uint64(max(1, len(keys) - 1).bit_length())
    packed = (keys[rows] >> bits << bits) | rows.astype(np.uint64)
    packed.sort()
    order = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    packed >>= bits
    opens = np.flatnonzero(np.concatenate([[True], packed[1:] != packed[:-1]])) if len(order) else order
    run = np.repeat(np.arange(len(opens)), np.diff(opens, append=len(order)))
    waiting: list[Pairs] = []
    num_waiting, step, alive = 0, 1, np.arange(len(order))
    while True:
        alive = alive[alive + step < len(order)]
        alive = alive[run[alive] == run[alive + step]]
        if step & (step - 1) == 0 and len(alive):  # at 1, 2, 4, …: often enough, and cheap beside what it saves
            alive = alive[~_whole(families.labels[order], opens)[run[alive]]]
        if len(alive):
            waiting.append((order[alive], order[alive + step]))
            num_waiting += len(alive)
        if waiting and (num_waiting >= _PAIRS_AT_ONCE or not len(alive)):
            yield _joined(waiting)
            waiting, num_waiting = [], 0
        if not len(alive):
            return
        step += 1


def _whole(labels: Rows, opens: Rows) -> NDArray[np.bool_]:
    """For every run whether all its rows are of one family."""
    return np.minimum.reduceat(labels, opens) == np.maximum.reduceat(labels, opens)


def _joined(pairs: list[Pairs]) -> Pairs:
    return np.concatenate([ones for ones, _ in pairs]), np.concatenate([others for _, others in pairs])


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """For every text a similar one of another collection, -1 where none is near enough, and how similar."""

    rows: Rows
    similarity: NDArray[np.float64]


def nearest_across(known: Shingles, asked: Shingles, *, threshold: float, banding: Banding, seed: int) -> Nearest:
    """For every text of `asked` one of `known` whose similarity is `threshold` or more.

    It is the same text where there is one, else the most similar of those that the first band met. Texts that stand
    many times are compared once.
    """
    rows, similarity = np.full(len(asked), -1), np.zeros(len(asked))
    (known_first, _), (first, filled) = _identical(known), _identical(asked)
    there, open_rows = _marked(known_first, len(known)), _marked(first, len(asked))
    both = zip(band_keys(known, banding, seed=seed), band_keys(asked, banding, seed=seed), strict=True)
    for known_keys, asked_keys in both:
        for ones, others in _meeting(known_keys, asked_keys, there, open_rows):
            found = jaccard(known, asked, (ones, others))
            order = np.argsort(found, kind="stable")  # the best is written last
            order = order[found[order] > similarity[others[order]]]
            similarity[others[order]], rows[others[order]] = found[order], ones[order]
        open_rows &= similarity < threshold - 1e-12
    rows[filled], similarity[filled] = rows[first], similarity[first]
    near = similarity >= threshold - 1e-12
    return Nearest(rows=np.where(near, rows, -1), similarity=np.where(near, similarity, 0.0))


def _marked(rows: Rows, num: int) -> NDArray[np.bool_]:
    found = np.zeros(num, dtype=bool)
    found[rows] = True
    return found


def _meeting(known: Hashes, asked: Hashes, there: NDArray[np.bool_], here: NDArray[np.bool_]) -> Iterator[Pairs]:
    """All pairs of filled texts with equal keys, many at once."""
    order = np.flatnonzero(there)
    order = order[np.argsort(known[order], kind="stable")]
    rows = np.flatnonzero(here)
    low = np.searchsorted(known[order], asked[rows], side="left")
    counts = np.searchsorted(known[order], asked[rows], side="right") - low
    rows, low, counts = rows[counts > 0], low[counts > 0], counts[counts > 0]
    start = 0
    while start < len(rows):
        ends = np.cumsum(counts[start:])
        stop = start + max(1, int(np.searchsorted(ends, _PAIRS_AT_ONCE, side="right")))
        num = counts[start:stop]
        shift = low[start:stop] - (np.cumsum(num) - num)
        yield order[np.arange(int(num.sum())) + np.repeat(shift, num)], np.repeat(rows[start:stop], num)
        start = stop
