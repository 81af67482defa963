"""Shingles equal a plain set of runs; what does not count does not; blocks change nothing."""

import unicodedata

import numpy as np
import pytest

from finetune_lab.text import shingles as module
from finetune_lab.text.shingles import mixed, shingles

TEXTS = [
    "The cat sat on the mat.",
    "the  CAT sat, on the mat!",
    "",
    "?!…",
    "cat",
    "Straße straße STRASSE",
    "a b a b a b a b",
    "x\0y z",
    "日本語 のテキスト",
    "ﬁne e\u0301tude étude",
    "half \ud800 a character",
]


def plain(text: str, unit: str, size: int) -> set[tuple[str, ...]]:
    """The same sets, slowly."""
    text = unicodedata.normalize("NFKC", text.replace("\0", " ")).casefold()
    kept = "".join(sign if unicodedata.category(sign)[0] in "LNM" else " " for sign in text)
    units = kept.split() if unit == "word" else list("".join(word + " " for word in kept.split()))
    return {tuple(units[i : i + size]) for i in range(max(1, len(units) - size + 1))} if units else set()


@pytest.mark.parametrize("unit", ["word", "character"])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_sets_are_those_of_plain_runs(unit, size):
    found = shingles(TEXTS, unit=unit, size=size)
    due = [plain(text, unit, size) for text in TEXTS]
    assert found.counts.tolist() == [len(one) for one in due]
    sets = [set(found.hashes[a:b].tolist()) for a, b in zip(found.starts[:-1], found.starts[1:], strict=True)]
    for i, one in enumerate(sets):
        for j, other in enumerate(sets):
            assert len(one & other) == len(due[i] & due[j]), (TEXTS[i], TEXTS[j])


def test_blocks_change_nothing(monkeypatch):
    whole = shingles(TEXTS, unit="word", size=2)
    monkeypatch.setattr(module, "_BLOCK_CHARACTERS", 10)
    parts = shingles(iter(TEXTS), unit="word", size=2)
    assert np.array_equal(whole.hashes, parts.hashes)
    assert np.array_equal(whole.starts, parts.starts)


def test_nothing_at_all():
    assert len(shingles([], unit="word", size=3)) == 0


def test_mixing_is_one_to_one_and_flips_half_the_bits():
    values = np.arange(1 << 16, dtype=np.uint64)
    assert len(np.unique(mixed(values))) == len(values)
    flips = np.bitwise_count(mixed(values) ^ mixed(values ^ np.uint64(1)))
    assert flips.mean() == pytest.approx(32, abs=0.2)
