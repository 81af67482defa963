"""Curves as columns: natural splines span what patsy's do, hours meet at midnight, empty columns go."""

import numpy as np
import pytest

from finetune_lab.maths.bases import independent, natural_spline, waves


def test_the_spline_is_straight_outside_its_knots_and_smooth_between():
    values = np.linspace(0, 1, 2001)
    basis = natural_spline(values, 3)
    assert basis.shape == (2001, 3)
    bends = np.abs(np.diff(basis, n=2, axis=0)).max(axis=1)
    assert bends[:90].max() < 1e-9
    assert bends[-90:].max() < 1e-9
    assert bends[200:1800].max() > 1e-6


def test_it_spans_what_patsys_natural_spline_does():
    patsy = pytest.importorskip("patsy")
    values = np.random.default_rng(0).gamma(2.0, size=500)
    knots = np.quantile(values, np.linspace(0.05, 0.95, 4))
    theirs = patsy.dmatrix(f"cr(x, knots={list(knots[1:-1])}, lower_bound={knots[0]}, upper_bound={knots[-1]}) - 1",
                           {"x": values}, return_type="matrix")  # fmt: skip
    ours = np.column_stack([np.ones(500), natural_spline(values, 3)])
    wanted = np.asarray(theirs)
    left = wanted - ours @ np.linalg.lstsq(ours, wanted, rcond=None)[0]
    inside = (values > knots[0]) & (values < knots[-1])
    assert np.abs(left[inside]).max() < 1e-6


def test_what_piles_up_leaves_fewer_columns():
    assert natural_spline(np.ones(50), 3).shape == (50, 0)
    assert natural_spline(np.repeat([0.0, 1.0], [95, 5]), 3).shape == (100, 1)
    assert natural_spline(np.array([]), 3).shape == (0, 0)


def test_the_end_of_a_day_meets_its_beginning():
    columns = waves(np.array([0.0, 24.0, 12.0]), 2)
    assert columns[0] == pytest.approx(columns[1])
    assert columns[2] == pytest.approx([-1, 0, 1, 0], abs=1e-12)
    assert waves(np.array([1.0]), 0).shape == (1, 0)


def test_columns_that_say_nothing_new_go():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    columns = np.column_stack([np.full(200, 1e6), x[:, 0], 3 * x[:, 0] + 7, x[:, 1] * 1e-6, x.sum(axis=1)])
    assert independent(columns) == [1, 3]
