"""Tests of no difference: agreement with scipy and statsmodels, exactness by counting, and the edges."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from finetune_lab.maths.tests import mann_whitney, mcnemar, paired_t, sign_flip, t_test


def flip(values, reference, seed=0, **more):
    return sign_flip(
        np.asarray(values, float), np.asarray(reference, float), generator=np.random.default_rng(seed), **more
    )


def test_few_pairs_are_counted_out_as_by_hand():
    draw = np.random.default_rng(3)
    values, reference = draw.normal(0.4, 1, size=9), draw.normal(size=9)
    gaps = values - reference
    means = [abs(np.mean(np.array(signs) * gaps)) for signs in itertools.product((-1, 1), repeat=9)]
    expected = np.mean(np.array(means) >= abs(gaps.mean()) - 1e-12)
    found = flip(values, reference)
    assert found.exact
    assert found.p_value == pytest.approx(expected, abs=1e-12)


def test_it_agrees_with_scipys_permutation_of_pairs():
    draw = np.random.default_rng(4)
    values, reference = draw.exponential(size=11), draw.exponential(size=11)
    expected = stats.permutation_test(
        (values, reference), lambda one, two: np.mean(one - two), permutation_type="samples", n_resamples=np.inf
    )
    assert flip(values, reference).p_value == pytest.approx(expected.pvalue, abs=1e-9)


def test_many_pairs_are_near_the_t_test_and_never_zero():
    draw = np.random.default_rng(5)
    reference = draw.normal(size=400)
    values = reference + draw.normal(0.1, 1, size=400)
    assert flip(values, reference).p_value == pytest.approx(stats.ttest_rel(values, reference).pvalue, abs=0.01)
    assert flip(reference + 9, reference).p_value == pytest.approx(1 / 10_000)


def test_clusters_are_swapped_together():
    clusters = np.repeat(np.arange(6), 50)
    values = np.repeat([1.0, 1, 1, 1, 1, 1], 50)
    assert flip(values, np.zeros(300), clusters=clusters).p_value == pytest.approx(2 / 2**6)
    assert flip(values, np.zeros(300)).p_value < 0.001


def test_edges_of_the_sign_flip():
    assert math.isnan(flip([], []).p_value)
    assert math.isnan(flip([1.0, np.nan], [np.nan, 1.0]).p_value)
    assert flip([1.0], [0.0]).p_value == 1
    assert flip([1.0, 1.0, 5.0], [1.0, 1.0, np.nan]).p_value == 1
    assert flip([1.0, 2.0, np.nan], [0.0, 0.0, 0.0]).num == 2


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (5, 5), (9, 2), (1, 40), (300, 350)])
def test_mcnemar_agrees_with_statsmodels(gained, lost):
    expected = statsmodels_mcnemar([[10, gained], [lost, 4]], exact=True).pvalue
    assert mcnemar(gained, lost).p_value == pytest.approx(min(expected, 1.0), abs=1e-9)


def test_mcnemar_is_the_sign_flip_of_passes():
    values, reference = np.array([1.0] * 9 + [0] * 2 + [1] * 5), np.array([0.0] * 9 + [1] * 2 + [1] * 5)
    assert mcnemar(9, 2).p_value == pytest.approx(flip(values, reference).p_value, abs=1e-12)


def test_mcnemar_is_never_zero():
    assert mcnemar(0, 0).p_value == 1
    assert 0 < mcnemar(5000, 0).p_value < 1e-300


def test_the_paired_t_agrees_with_scipy():
    draw = np.random.default_rng(6)
    values, reference = draw.normal(size=20), draw.normal(size=20)
    found = paired_t(np.append(values, 1.0), np.append(reference, np.nan))
    assert found.p_value == pytest.approx(stats.ttest_rel(values, reference).pvalue, abs=1e-9)
    assert found.num == 20


def test_a_t_test_without_spread_or_pairs_says_so():
    assert paired_t(np.ones(5), np.ones(5)).p_value == 1
    assert math.isnan(paired_t(np.full(5, 2.0), np.ones(5)).p_value)
    assert math.isnan(paired_t(np.ones(1), np.ones(1)).p_value)
    assert t_test(2.0, 1.0, math.inf, name="z").p_value == pytest.approx(2 * stats.norm.sf(2), abs=1e-12)
    assert t_test(1e9, 1e-9, 50, name="t").p_value > 0


@pytest.mark.parametrize(("num", "other_num"), [(1, 1), (3, 4), (8, 8), (8, 30), (9, 9), (40, 25)])
def test_mann_whitney_agrees_with_scipy(num, other_num):
    draw = np.random.default_rng(num)
    one, two = draw.normal(0.5, 1, size=num), draw.normal(size=other_num)
    found = mann_whitney(one, np.append(two, np.nan))
    expected = stats.mannwhitneyu(one, two)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-9)
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-9)


@pytest.mark.parametrize("sizes", [(5, 6), (50, 70)])
def test_mann_whitney_with_ties_agrees_with_scipy(sizes):
    draw = np.random.default_rng(7)
    one, two = (draw.integers(0, 4, size=size).astype(float) for size in sizes)
    expected = stats.mannwhitneyu(one, two, method="asymptotic").pvalue
    assert mann_whitney(one, two).p_value == pytest.approx(expected, abs=1e-9)


def test_edges_of_mann_whitney():
    assert math.isnan(mann_whitney(np.array([]), np.ones(3)).p_value)
    assert mann_whitney(np.ones(4), np.ones(9)).p_value == 1
    assert mann_whitney(np.arange(60.0) + 1e6, np.arange(60.0)).p_value > 0
