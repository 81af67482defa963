"""The measurements of duplicates on a slice: planted pairs are as similar as promised, found, and nothing else is."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> Any:
    sys.path.insert(0, str(ROOT / "scripts"))
    import bench_duplicates

    yield bench_duplicates
    sys.path.remove(str(ROOT / "scripts"))


@pytest.mark.parametrize("length", [11, 47])
def test_planted_pairs_are_planted_at_eight_tenths(script: ModuleType, length: int) -> None:
    texts = list(script.rows_of_words(50, length=length, seed=0))
    assert {script.plain_jaccard(texts[row - 1], texts[row]) for row in script.planted_pairs(50).tolist()} == {0.8}
    assert script.plain_jaccard(texts[0], texts[1]) == 0


@pytest.mark.parametrize("length", [11, 47])
def test_recall_and_precision(script: ModuleType, length: int) -> None:
    recall, precision = script.planted(5000, length)
    assert recall >= 0.95
    assert precision >= 0.99


def test_datasketch_finds_the_same_pairs(script: ModuleType) -> None:
    pytest.importorskip("datasketch", reason="pip install datasketch")
    texts = list(script.rows_of_words(500, length=47, seed=2))
    found = script.datasketch_pairs(texts, (12, 5))
    later = script.planted_pairs(500).tolist()
    assert sum((row - 1, row) in found for row in later) >= 0.95 * len(later)


def test_streamed_rows_give_the_same_families(script: ModuleType) -> None:
    texts = list(script.rows_of_words(2000, length=11, seed=3))
    banding = script.tuned(0.8, recall=0.99, num_permutations=64)
    assert script.ours_streamed(2000, 11).tolist() == script.ours(texts, banding).tolist()


def test_blocks_equal_the_whole_matrix(script: ModuleType) -> None:
    assert script.blocks(4500, 64, compare=True)
