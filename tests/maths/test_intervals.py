"""Intervals in closed form: agreement with statsmodels, scipy and published tables, and what happens at the edges."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from finetune_lab.maths.intervals import (
    around,
    clopper_pearson,
    cluster_degrees,
    jackknife_interval,
    newcombe_independent,
    newcombe_paired,
    newcombe_rates,
    satterthwaite,
    t_interval,
    t_quantile,
    welch_interval,
    wilson,
)

COUNTS = [(0, 1), (1, 1), (0, 64), (64, 64), (3, 10), (517, 1000), (1, 2000)]


@pytest.mark.parametrize(("successes", "num"), COUNTS)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_proportions_agree_with_statsmodels(successes, num, confidence):
    for mine, method in ((wilson, "wilson"), (clopper_pearson, "beta")):
        found = mine(successes, num, confidence=confidence)
        expected = proportion_confint(successes, num, alpha=1 - confidence, method=method)
        assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


def test_none_of_64_has_a_width():
    assert wilson(0, 64).low == 0
    assert round(100 * wilson(0, 64).high, 1) == 5.7
    assert wilson(64, 64).high == 1


def test_newcombe_paired_gives_the_published_intervals():
    # Newcombe (1998), Stat. Med. 17:2635, method 10, the first table of its examples
    found = newcombe_paired(36, 12, 2, 0)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0569, 0.3404)


@pytest.mark.parametrize(
    "table", [(0, 0, 0, 20), (20, 0, 0, 0), (0, 20, 0, 0), (0, 0, 20, 0), (7, 0, 0, 13), (0, 5, 5, 0)]
)
def test_newcombe_paired_has_a_width_and_stays_within_one(table):
    found = newcombe_paired(*table)
    difference = (table[1] - table[2]) / sum(table)
    assert -1 <= found.low <= difference <= found.high <= 1
    assert found.high - found.low > 0.01


@pytest.mark.parametrize("table", [(36, 12, 2, 0), (5, 9, 1, 17), (20, 1, 7, 3)])
def test_newcombe_paired_turns_with_the_arms(table):
    both, gained, lost, neither = table
    found, turned = newcombe_paired(both, gained, lost, neither), newcombe_paired(both, lost, gained, neither)
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low), abs=1e-12)


def test_a_larger_effective_number_narrows():
    wide, narrow = (newcombe_rates(0.6, 0.4, 0.3, num=num, critical=1.96) for num in (20, 80))
    assert narrow.high - narrow.low < wide.high - wide.low


def test_newcombe_independent_agrees_with_statsmodels():
    found = newcombe_independent(56, 70, 48, 80)
    expected = confint_proportions_2indep(56, 70, 48, 80, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


def test_t_intervals_agree_with_scipy():
    draw = np.random.default_rng(0)
    one, two = draw.normal(size=12), draw.normal(1, 3, size=30)
    expected = stats.ttest_1samp(one, 0).confidence_interval(0.9)
    found = t_interval(np.append(one, np.nan), confidence=0.9)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)
    expected = stats.ttest_ind(one, two, equal_var=False).confidence_interval(0.95)
    found = welch_interval(one, two)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


def test_the_jackknife_of_a_mean_is_the_t_interval():
    values = np.random.default_rng(1).exponential(size=25)
    left_out = (values.sum() - values) / 24
    found, expected = jackknife_interval(values.mean(), left_out), t_interval(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("degrees", [1, 2.5, 30, 1e5])
def test_the_t_quantile_agrees_with_scipy(degrees):
    assert t_quantile(0.975, degrees) == pytest.approx(stats.t.ppf(0.975, degrees), abs=1e-9)
    assert t_quantile(0.975, math.inf) == pytest.approx(1.959963984540054, abs=1e-12)


def test_satterthwaite_is_welchs_for_two_groups():
    # equal parts of equal degrees add up; one part alone keeps its own
    assert satterthwaite(2.0, [1.0, 1.0], [9, 9]) == pytest.approx(18)
    assert satterthwaite(1.0, [1.0, 0.0], [9, 1]) == pytest.approx(9)
    assert satterthwaite(0.0, [0.0], [3]) == math.inf


def test_degrees_of_equal_clusters_are_one_less_than_their_number():
    assert cluster_degrees(np.full(8, 5.0)) == pytest.approx(7)
    assert cluster_degrees(np.array([100.0, 1, 1, 1, 1, 1, 1, 1])) < 3
    assert cluster_degrees(np.array([4.0])) == 0


def test_too_little_is_unknown_and_not_zero():
    for found in (
        wilson(0, 0),
        clopper_pearson(0, 0),
        newcombe_paired(0, 0, 0, 0),
        newcombe_independent(0, 0, 1, 2),
        t_interval(np.array([1.0, np.nan])),
        t_interval(np.array([])),
        welch_interval(np.array([1.0]), np.array([1.0, 2.0])),
        jackknife_interval(1.0, np.array([1.0])),
        around(1.0, 1.0, 0),
        around(1.0, math.nan, 3),
    ):
        assert math.isnan(found.low)
        assert math.isnan(found.high)
