"""Weeks needed: they grow with the square of the noise, and what they promise is kept by the formula read backwards."""

from math import inf, isnan

import pytest

from finetune_lab.field.weeks import plan_weeks

ASKED = {"confidence": 0.95, "power": 0.8}


def test_twice_the_noise_takes_four_times_the_weeks():
    one, two = (plan_weeks(error, 60.0, 400, 4.0, worth=1.2, **ASKED) for error in (0.2, 0.4))
    assert two.weeks == pytest.approx(4 * one.weeks, rel=0.01)
    assert one.num_posts == pytest.approx(one.weeks * 100)


def test_up_and_down_are_the_same_distance():
    up, down = (plan_weeks(0.2, 60.0, 400, 4.0, worth=worth, **ASKED) for worth in (1.25, 0.8))
    assert up == down


def test_the_least_ratio_would_take_as_long_as_the_log_ran():
    found = plan_weeks(0.2, 60.0, 400, 4.0, worth=1.2, **ASKED)
    again = plan_weeks(0.2, 60.0, 400, 4.0, worth=found.detectable_ratio, **ASKED)
    assert again.weeks == pytest.approx(4.0, rel=0.01)


def test_no_noise_known_is_nothing_known_and_no_length_is_infinite():
    assert isnan(plan_weeks(float("nan"), 60.0, 400, 4.0, worth=1.2, **ASKED).weeks)
    assert plan_weeks(5.0, 60.0, 400, 4.0, worth=1.0001, **ASKED).weeks == inf


def test_noise_that_is_hardly_known_takes_longer():
    sure, unsure = (plan_weeks(0.2, degrees, 400, 4.0, worth=1.2, **ASKED) for degrees in (1e9, 5.0))
    assert 1.2 < unsure.weeks / sure.weeks < 2
