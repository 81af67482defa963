"""The bootstrap: agreement with scipy, the sharing of resamples, clusters, and what happens at the edges."""

import numpy as np
import pytest
from scipy import stats

from finetune_lab.maths import resampling
from finetune_lab.maths.resampling import (
    bca_interval,
    bootstrap_totals,
    flipped_totals,
    percentile_interval,
    without_each,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_bca_agrees_with_scipy():
    values = rng(1).exponential(size=40)
    replicates = bootstrap_totals(values[:, None], resamples=4000, generator=rng())[:, 0] / 40
    left_out = without_each(values[:, None])[:, 0] / 39
    found = bca_interval(values.mean(), replicates, left_out, confidence=0.95)
    # scipy's own ends from the very same replicates
    theirs = stats.bootstrap((values,), np.mean, n_resamples=0, bootstrap_result=_Done(replicates), method="BCa")
    expected = theirs.confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


class _Done:
    def __init__(self, replicates):
        self.bootstrap_distribution = replicates


def test_the_bootstraps_error_is_the_textbooks():
    values = rng(2).normal(size=100)
    means = bootstrap_totals(values[:, None], resamples=20_000, generator=rng())[:, 0] / 100
    assert means.std() == pytest.approx(values.std() / 10, rel=0.03)
    assert means.mean() == pytest.approx(values.mean(), abs=0.003)


def test_all_columns_see_the_same_resamples():
    values = rng(3).normal(size=(50, 1))
    totals = bootstrap_totals(np.hstack([values, 2 * values, np.ones((50, 1))]), resamples=99, generator=rng())
    assert np.allclose(totals[:, 1], 2 * totals[:, 0])
    assert np.array_equal(totals[:, 2], np.full(99, 50.0))
    signed = flipped_totals(np.hstack([values, 2 * values]), resamples=99, generator=rng())
    assert np.allclose(signed[:, 1], 2 * signed[:, 0])


def test_numbers_do_not_depend_on_the_columns_beside_them():
    values = rng(4).normal(size=(50, 3))
    alone = bootstrap_totals(values[:, :1], resamples=99, generator=rng())
    together = bootstrap_totals(values, resamples=99, generator=rng())
    assert np.allclose(alone[:, 0], together[:, 0], atol=1e-12)


def test_the_size_of_the_blocks_bounds_memory_and_changes_little(monkeypatch):
    values = np.ones((100, 1))
    monkeypatch.setattr(resampling, "BLOCK_ENTRIES", 250)
    assert np.array_equal(bootstrap_totals(values, resamples=7, generator=rng()), np.full((7, 1), 100.0))
    assert flipped_totals(values, resamples=7, generator=rng()).shape == (7, 1)


def test_signs_are_fair():
    totals = flipped_totals(np.ones((64, 1)), resamples=20_000, generator=rng())[:, 0]
    assert abs(totals.mean()) < 0.3
    assert totals.std() == pytest.approx(8, rel=0.03)


def test_seeds_are_an_outer_level():
    # no spread within a seed: all noise comes from drawing seeds, whose bootstrap variance is (S−1)/S² s²
    means = np.array([0.0, 1.0, 2.0, 5.0])
    sums = np.repeat(means[:, None], 10, axis=1)[:, :, None]
    totals = bootstrap_totals(sums, resamples=20_000, generator=rng())[:, 0] / 10
    assert totals.std() == pytest.approx(means.std() / 2, rel=0.03)


def test_equal_values_give_a_point_not_nan():
    values = np.full(30, 0.7)
    replicates = bootstrap_totals(values[:, None], resamples=999, generator=rng())[:, 0] / 30
    found = bca_interval(0.7, replicates, without_each(values[:, None])[:, 0] / 29, confidence=0.95)
    assert (found.low, found.high) == pytest.approx((0.7, 0.7))


def test_an_estimate_outside_its_replicates_stays_finite():
    found = bca_interval(10.0, rng(5).normal(size=999), rng(6).normal(size=20), confidence=0.95)
    assert np.isfinite([found.low, found.high]).all()
    assert found.low <= found.high


def test_percentiles_are_quantiles():
    found = percentile_interval(np.arange(1001.0), confidence=0.9)
    assert (found.low, found.high) == pytest.approx((50, 950))
