"""The rows of unit length that point most nearly the way of another: exact, whoever looks for them first."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.blockwise import Rows, Vectors

# (query, how many) -> products and row numbers, the greatest first, in float32
Search = Callable[[Vectors, int], tuple[Vectors, Rows]]

_UNSURE = 1e-4  # as in maths.blockwise: what float32 may be off by, with room
_DIGITS = 9  # cosines that agree so far are equal, and the earlier row goes first
_SPARE_ROWS = 8


def nearest(vectors: Vectors, query: Vectors, count: int, search: Search) -> tuple[Rows, NDArray[np.float64]]:
    """The `count` rows with the greatest cosine to `query`, greatest first, and their cosines; equal ones by number.

    `search` need only be right in float32: candidates are taken until the last lies surely below, and ordered by
    products summed in float64. So two searches that add up in another order find the same rows in the same order.
    """
    wanted = min(len(vectors), count + _SPARE_ROWS)
    rough, rows = search(query, wanted)
    while wanted < len(vectors) and rough[-1] > rough[count - 1] - 2 * _UNSURE:
        wanted = min(len(vectors), 2 * wanted)
        rough, rows = search(query, wanted)
    cosines = np.round(np.einsum("ij,j->i", vectors[rows], query, dtype=np.float64), _DIGITS)
    order = np.lexsort((rows, -cosines))[:count]
    return rows[order], cosines[order]


def by_blocks(vectors: Vectors, block_rows: int) -> Search:
    """A search over `block_rows` rows at a time."""

    def search(query: Vectors, count: int) -> tuple[Vectors, Rows]:
        best, rows = np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
        for first in range(0, len(vectors), block_rows):
            found = vectors[first : first + block_rows] @ query
            best = np.concatenate([best, found])
            rows = np.concatenate([rows, np.arange(first, first + len(found))])
            if len(best) > count:
                kept = np.argpartition(-best, count - 1)[:count]
                best, rows = best[kept], rows[kept]
        order = np.argsort(-best)
        return best[order], rows[order]

    return search
