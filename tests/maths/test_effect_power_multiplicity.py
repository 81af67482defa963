"""Effect sizes, power and corrections for many tests, against scipy, statsmodels and published numbers."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from finetune_lab.maths.effect import cohen_d, d_av, d_z, noncentral_interval, risk_difference
from finetune_lab.maths.intervals import newcombe_paired
from finetune_lab.maths.multiplicity import benjamini_hochberg, holm
from finetune_lab.maths.power import detectable, items_needed, seeds_needed


def pairs(num=40, shift=0.5, seed=0):
    draw = np.random.default_rng(seed)
    reference = draw.normal(size=num)
    return reference + draw.normal(shift, 1, size=num), reference


def test_d_z_is_t_over_root_n_and_its_ends_are_noncentral_quantiles():
    values, reference = pairs()
    found, t = d_z(values, reference), stats.ttest_rel(values, reference).statistic
    assert found.value == pytest.approx(t / math.sqrt(40), abs=1e-12)
    for end, tail in ((found.low, 0.975), (found.high, 0.025)):
        assert stats.nct.cdf(t, 39, end * math.sqrt(40)) == pytest.approx(tail, abs=1e-9)


@pytest.mark.parametrize("statistic", [-29.9, -2.0, 0.0, 3.0, 29.9, 31.0])
@pytest.mark.parametrize("degrees", [1, 10, 1e4])
def test_noncentral_intervals_hold_their_statistic(statistic, degrees):
    found = noncentral_interval(statistic, degrees)
    assert found.low < statistic < found.high
    turned = noncentral_interval(-statistic, degrees)
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low), abs=1e-6)


def test_cohens_d_uses_the_pooled_deviation():
    draw = np.random.default_rng(2)
    one, two = draw.normal(1, 1, size=20), draw.normal(0, 2, size=35)
    pooled = math.sqrt((19 * one.var(ddof=1) + 34 * two.var(ddof=1)) / 53)
    found = cohen_d(one, np.append(two, np.nan))
    assert found.value == pytest.approx((one.mean() - two.mean()) / pooled, abs=1e-12)
    t = stats.ttest_ind(one, two).statistic
    assert stats.nct.cdf(t, 53, found.low / math.sqrt(1 / 20 + 1 / 35)) == pytest.approx(0.975, abs=1e-9)


def test_d_av_uses_the_deviation_of_the_scores():
    values, reference = pairs()
    expected = (values - reference).mean() / math.sqrt((values.var(ddof=1) + reference.var(ddof=1)) / 2)
    assert d_av(values, reference).value == pytest.approx(expected, abs=1e-12)


def test_the_interval_of_d_av_covers():
    held, truth = 0, 0.5 / math.sqrt((1 + 2) / 2)
    for seed in range(400):
        found = d_av(*pairs(seed=seed))
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_effects_that_are_not_defined_are_nan():
    same = np.ones(5)
    for found in (
        d_z(same, same),
        d_z(same[:1], same[:1]),
        d_av(same, same),
        cohen_d(same, same),
        cohen_d(same[:1], same),
    ):
        assert math.isnan(found.value)
        assert math.isnan(found.low)
    assert risk_difference(0.2, newcombe_paired(36, 12, 2, 0)).high == pytest.approx(0.3404, abs=1e-4)


def test_the_detectable_difference_has_the_power_that_it_promises():
    size = detectable(1 / math.sqrt(50), 49)
    assert TTestPower().power(effect_size=size, nobs=50, alpha=0.05) == pytest.approx(0.8, abs=0.005)
    assert detectable(1.0, math.inf) == pytest.approx(2.801585, abs=1e-5)
    assert math.isnan(detectable(math.nan, 3))
    assert math.isnan(detectable(1.0, 0))


def test_items_needed_agree_with_statsmodels():
    for effect in (0.2, 0.5, 1.0):
        expected = TTestPower().solve_power(effect_size=effect, power=0.8, alpha=0.05)
        assert items_needed(effect, 1.0) == pytest.approx(expected, abs=1.5)
    assert items_needed(0.0, 1.0) == math.inf
    assert items_needed(-0.5, 1.0) == items_needed(0.5, 1.0)
    assert items_needed(100.0, 1.0) == 2


def test_seeds_help_until_the_items_hide_the_difference():
    needed = seeds_needed(1.0, 1.0, 0.1)
    assert 5 < needed < 20
    assert seeds_needed(1.0, 1.0, 0.1, num_trained_arms=2) > needed
    assert seeds_needed(1.0, 1.0, 0.5) == math.inf
    assert seeds_needed(1.0, 0.0, 0.1) == 2


@pytest.mark.parametrize(("adjust", "method"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_adjusted_p_values_agree_with_statsmodels(adjust, method):
    raw = np.random.default_rng(8).uniform(size=30) ** 3
    raw[3] = raw[9]
    assert adjust(raw) == pytest.approx(multipletests(raw, method=method)[1], abs=1e-12)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_what_was_not_tested_does_not_count(adjust):
    raw = np.array([0.01, np.nan, 0.04])
    found = adjust(raw)
    assert math.isnan(found[1])
    assert found[[0, 2]] == pytest.approx(adjust(np.array([0.01, 0.04])))
    assert len(adjust(np.array([]))) == 0
    assert np.isnan(adjust(np.array([np.nan]))).all()
