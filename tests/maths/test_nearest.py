"""Nearest rows: those of the whole product, the same from any search, equal ones by their number."""

import numpy as np
import pytest

from finetune_lab.maths.blockwise import unit_rows
from finetune_lab.maths.nearest import by_blocks, nearest


@pytest.fixture
def vectors():
    """Rows of which many are alike, and some are the same."""
    rng = np.random.default_rng(0)
    found = rng.standard_normal((500, 24))
    found[100:140] = found[100]
    found[200:230] = found[7] + 1e-7 * rng.standard_normal((30, 24))
    return unit_rows(found)


@pytest.mark.parametrize("block_rows", [1, 7, 64, 10_000])
def test_the_rows_are_those_of_the_whole_product(vectors, block_rows):
    for query in (vectors[3], vectors[100], vectors[210], unit_rows(np.ones((1, 24)))[0]):
        rows, cosines = nearest(vectors, query, 12, by_blocks(vectors, block_rows))
        whole = vectors.astype(np.float64) @ query.astype(np.float64)
        assert cosines == pytest.approx(np.sort(whole)[::-1][:12], abs=1e-8)
        assert whole[rows] == pytest.approx(cosines, abs=1e-8)
        assert len(set(rows)) == 12


def test_equal_rows_come_by_number(vectors):
    rows, cosines = nearest(vectors, vectors[120], 5, by_blocks(vectors, 64))
    assert rows.tolist() == [100, 101, 102, 103, 104]
    assert cosines == pytest.approx([1.0] * 5)
    assert len(set(cosines)) == 1


def test_a_search_that_rounds_another_way_changes_nothing(vectors):
    exact = by_blocks(vectors, 64)

    def rough(query, count):
        off = np.random.default_rng(1).uniform(-5e-5, 5e-5, len(vectors)).astype(np.float32)
        found = vectors @ query + off
        order = np.argsort(-found)[:count]
        return found[order], order

    for query in vectors[[0, 7, 100, 205, 333]]:
        assert nearest(vectors, query, 6, rough)[0].tolist() == nearest(vectors, query, 6, exact)[0].tolist()


def test_as_many_as_there_are(vectors):
    rows, _ = nearest(vectors[:3], vectors[1], 3, by_blocks(vectors[:3], 2))
    assert sorted(rows) == [0, 1, 2]
    assert rows[0] == 1
