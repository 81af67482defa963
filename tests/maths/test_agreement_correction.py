"""Agreement with labels, and rates corrected for a judge's errors: known values, edges, coverage."""

import sys
from math import isnan
from pathlib import Path

import numpy as np
import pytest

from finetune_lab.maths.agreement import Confusion, agreement, cohens_kappa
from finetune_lab.maths.correction import corrected_rate, rogan_gladen

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from scripts.check_calibration import LEAST, MODELS, halves, labelled, simulated


def table(a: int, b: int, c: int, d: int) -> Confusion:
    return Confusion(true_positives=a, false_positives=b, false_negatives=c, true_negatives=d)


def test_counts_of_pairs():
    pairs = [(True, True), (True, False), (False, True), (False, True), (False, False)]
    assert Confusion.of(pairs) == table(1, 1, 2, 1)


def test_figures_are_those_of_their_definitions():
    found = agreement(table(40, 5, 10, 45))
    assert found.accuracy.value == pytest.approx(0.85)
    assert found.sensitivity.value == pytest.approx(0.8)
    assert found.specificity.value == pytest.approx(0.9)
    assert found.bias.value == pytest.approx(-0.05)
    assert found.kappa.value == pytest.approx(0.7)  # (0.85 − 0.5) / (1 − 0.5)
    assert found.bias.interval.low < -0.05 < found.bias.interval.high


def test_the_interval_of_kappa_is_that_of_resampling():
    generator = np.random.default_rng(0)
    cells = np.array([40, 5, 10, 45])
    draws = generator.multinomial(100, cells / 100, size=4000)
    spread = np.std([cohens_kappa(table(*map(int, draw))).value for draw in draws])
    interval = cohens_kappa(table(*map(int, cells))).interval
    assert (interval.high - interval.low) / (2 * 1.96) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (7, 0, 0, 0), (0, 0, 0, 7)])
def test_where_there_is_one_class_kappa_is_unknown(counts):
    assert isnan(cohens_kappa(table(*counts)).value)


def test_rogan_gladen_undoes_the_errors():
    for rate in (0.0, 0.2, 1.0):
        seen = rate * 0.9 + (1 - rate) * (1 - 0.8)
        assert rogan_gladen(seen, 0.9, 0.8) == pytest.approx(rate)
    assert rogan_gladen(0.05, 0.9, 0.8) == 0.0
    assert rogan_gladen(0.99, 0.9, 0.8) == 1.0
    assert isnan(rogan_gladen(0.5, 0.5, 0.5))


def test_a_perfect_judge_changes_nothing_but_the_width():
    found = corrected_rate(30, 100, table(1000, 0, 0, 1000))
    assert found.value == pytest.approx(0.3)
    assert 0 < found.interval.low < 0.3 < found.interval.high < 1


def test_less_calibration_is_a_wider_interval():
    wide, narrow = (corrected_rate(30, 100, table(9 * n, n, n, 9 * n)).interval for n in (2, 200))
    assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (5, 0, 1, 0), (0, 1, 0, 5), (5, 9, 5, 1)])
def test_without_a_calibration_that_tells_anything_the_interval_is_unknown(counts):
    assert isnan(corrected_rate(3, 10, table(*counts)).interval.low)


@pytest.mark.parametrize("positives", [0, 1, 19, 20])
def test_the_interval_holds_the_value_and_stays_a_share(positives):
    found = corrected_rate(positives, 20, table(9, 2, 1, 8))
    assert 0 <= found.interval.low <= found.value <= found.interval.high <= 1


@pytest.mark.parametrize("rate", [0.02, 0.5])
def test_the_interval_holds_the_truth_as_often_as_it_says(rate):
    assert simulated(rate, 0.8, 0.9, num=225, splits=1000, seed=1).covered >= LEAST


@pytest.mark.realdata
@pytest.mark.parametrize("model", MODELS)
def test_calibrated_on_one_half_the_interval_holds_the_truth_of_the_other(realdata, model):
    found = halves(labelled(model), splits=60, seed=2)
    assert found.covered >= LEAST
    assert found.error < found.raw_error
