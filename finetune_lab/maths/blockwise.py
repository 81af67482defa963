"""All pairs of vectors that point nearly the same way, block by block: memory does not grow with their square."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

# A product of float32 rows is off by about width · 2⁻²⁴ at most; what lies this near to the threshold is done again.
_UNSURE = 1e-4
_VERDICTS_AT_ONCE = 100_000


def unit_rows(vectors: NDArray[np.floating]) -> Vectors:
    """Every row at length 1, as float32; a row of zeros stays one and is like nothing."""
    exact = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > 0).astype(np.float32)


def alike_pairs(vectors: Vectors, *, above: float, block_rows: int) -> Iterator[tuple[Rows, Rows]]:
    """Yield the pairs (i < j) of unit rows with cosine > `above`, some at a time.

    The cosine is that of the float32 rows summed in float64, so a pair does not depend on the size of the blocks.
    Memory: block_rows² numbers beside the rows, and the pairs of one block.
    """
    for first in range(0, len(vectors), block_rows):
        ones = vectors[first : first + block_rows]
        for second in range(first, len(vectors), block_rows):
            found = ones @ vectors[second : second + block_rows].T
            rows, columns = np.nonzero(found > above - _UNSURE)
            near = found[rows, columns]
            del found
            one, other = rows + first, columns + second
            ordered = one < other
            yield _sure(vectors, one[ordered], other[ordered], near[ordered], above)


def _sure(vectors: Vectors, ones: Rows, others: Rows, near: Vectors, above: float) -> tuple[Rows, Rows]:
    kept = near > above + _UNSURE
    unsure = np.flatnonzero(~kept)
    for start in range(0, len(unsure), _VERDICTS_AT_ONCE):
        some = unsure[start : start + _VERDICTS_AT_ONCE]
        kept[some] = cosines(vectors, ones[some], others[some]) > above
    return ones[kept], others[kept]


def cosines(vectors: Vectors, ones: Rows, others: Rows) -> NDArray[np.float64]:
    """The cosines of pairs of unit rows, summed in float64."""
    return np.einsum("ij,ij->i", vectors[ones], vectors[others], dtype=np.float64)
