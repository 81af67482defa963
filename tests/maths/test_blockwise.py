"""Blockwise pairs are those of the whole matrix, whatever the blocks, also where a cosine lies at the threshold."""

import numpy as np
import pytest

from finetune_lab.maths.blockwise import alike_pairs, unit_rows


def drawn(num: int, width: int = 32) -> np.ndarray:
    """Directions in bunches, so that cosines of all sizes occur."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((num // 10, width))
    return centres[rng.integers(0, len(centres), num)] + 0.25 * rng.standard_normal((num, width))


def found(vectors, above: float, block_rows: int) -> list[tuple[int, int]]:
    pairs = [np.stack(pair, axis=1) for pair in alike_pairs(vectors, above=above, block_rows=block_rows)]
    return [tuple(pair) for pair in np.concatenate(pairs).tolist()]


@pytest.mark.parametrize("block_rows", [1, 7, 256, 10_000])
def test_the_same_pairs_as_the_whole_matrix(block_rows):
    vectors = unit_rows(drawn(600 if block_rows > 1 else 60))
    exact = vectors.astype(np.float64)
    due = {tuple(pair) for pair in np.argwhere(np.triu(exact @ exact.T > 0.9, 1)).tolist()}
    pairs = found(vectors, 0.9, block_rows)
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == due
    assert due


def test_a_cosine_at_the_threshold_is_decided_the_same_way_in_every_block():
    vectors = unit_rows(drawn(300))
    exact = vectors.astype(np.float64)
    cosines = np.sort((exact @ exact.T)[np.triu_indices(300, 1)])
    for above in cosines[cosines > 0.9][::40]:  # a pair lies on each of these
        assert len({tuple(sorted(found(vectors, float(above), rows))) for rows in (13, 64, 300)}) == 1


def test_rows_of_zeros_are_like_nothing():
    vectors = unit_rows(np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]))
    assert found(vectors, 0.9, 2) == [(2, 3)]
