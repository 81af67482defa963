"""Agreement of raters: against published figures and by definition."""

from itertools import permutations

import numpy as np
import pytest

from finetune_lab.maths.raters import krippendorff_alpha, table_of

# Krippendorff (2011), section E: four observers, twelve units, missing values
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def test_the_published_example():
    assert krippendorff_alpha(OBSERVERS).value == pytest.approx(0.849, abs=5e-4)


def test_the_definition_by_pairs():
    units = [[v for v in unit if v is not None] for unit in zip(*OBSERVERS, strict=True)]
    units = [unit for unit in units if len(unit) > 1]
    num, everything = sum(map(len, units)), [v for unit in units for v in unit]
    observed = sum(sum((a - b) ** 2 for a, b in permutations(u, 2)) / (len(u) - 1) for u in units) / num
    expected = sum((a - b) ** 2 for a, b in permutations(everything, 2)) / (num * (num - 1))
    assert krippendorff_alpha(OBSERVERS).value == pytest.approx(1 - observed / expected, rel=1e-12)


def test_full_agreement_chance_and_nothing_to_tell():
    one = [0.0, 1.0, 0.5, 1.0]
    assert krippendorff_alpha([one, one]).value == 1
    assert np.isnan(krippendorff_alpha([[1.0] * 4, [1.0] * 4]).value)
    assert np.isnan(krippendorff_alpha([[1.0, None], [None, 2.0]]).value)
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, 3, (2, 2000)).astype(float).tolist()
    found = krippendorff_alpha([row[:300] for row in drawn])
    assert found.interval.low < 0 < found.interval.high


def test_a_table_leaves_out_what_one_did_not_rate():
    assert table_of([0, 1, None, 1], [0, 0, 1, None]) == [[1, 0], [1, 0]]
