"""The quantile of two sources of noise: between theirs, the right one at the ends, and its own test's level."""

from math import inf, isnan

import numpy as np
import pytest
from scipy import stats

from finetune_lab.maths.noise import Noise, Part, crossed

ITEMS = Part(variance=1.0, degrees=199)


def two(training, degrees=1, both=0.0):
    return crossed(ITEMS, [Part(variance=training, degrees=degrees)], both)


def test_one_source_is_students_t():
    noise = crossed(Part(variance=4.0, degrees=11), [], 0.0)
    expected = stats.t.interval(0.95, 11, loc=3, scale=2)
    assert (noise.interval(3.0, 0.95).low, noise.interval(3.0, 0.95).high) == pytest.approx(expected, abs=1e-9)
    assert noise.test(3.0, "t").p_value == pytest.approx(2 * stats.t.sf(1.5, 11), abs=1e-12)
    assert noise.degrees == 11


def test_the_published_quantile_of_cochran_and_cox():
    """Their rule: the mean of both tables' values, weighted by the variances."""
    noise = two(3.0, degrees=4)
    expected = (1.0 * stats.t.ppf(0.975, 199) + 3.0 * stats.t.ppf(0.975, 4)) / 4
    assert noise.critical(0.95) == pytest.approx(expected, abs=1e-9)


def test_little_noise_of_training_is_the_items_interval_and_much_is_the_seeds():
    assert two(1e-9).critical(0.95) == pytest.approx(stats.t.ppf(0.975, 199), rel=1e-6)
    assert two(1e9).critical(0.95) == pytest.approx(stats.t.ppf(0.975, 1), rel=1e-6)


@pytest.mark.parametrize("statistic", [0.0, 0.5, 1.9, 4.0, 12.0, 300.0])
def test_p_is_the_level_at_which_the_interval_reaches_zero(statistic):
    noise = two(2.0)
    p_value = noise.p_value(statistic)
    assert noise.critical(1 - p_value) == pytest.approx(statistic, rel=1e-6, abs=1e-9)


def test_a_p_that_is_tiny_keeps_its_digits():
    assert 0 < two(1e-6, degrees=100).p_value(25.0) < 1e-30


def test_its_degrees_give_its_quantile():
    noise = two(2.0, degrees=2)
    assert stats.t.ppf(0.975, noise.degrees) == pytest.approx(noise.critical(0.95), rel=1e-9)


def test_the_noise_of_seed_by_item_counts_once():
    noise = two(0.5, both=0.3)
    assert noise.variance == pytest.approx(1.0 + 0.5 - 0.3)
    assert (noise.items_variance, noise.seeds_variance) == pytest.approx((1.0, 0.2))


def test_the_arm_with_few_seeds_bounds_the_degrees():
    arms = [Part(variance=0.1, degrees=1), Part(variance=1.0, degrees=9)]
    assert crossed(ITEMS, arms, 0.0).sources[1].degrees == 2


def test_what_cannot_be_known_is_not_claimed():
    unknown = crossed(Part(variance=float("nan"), degrees=0.0), [], 0.0)
    assert isnan(unknown.critical(0.95))
    assert isnan(unknown.interval(1.0, 0.95).low)
    assert isnan(unknown.test(1.0, "t").p_value)
    none = Noise(sources=(Part(variance=0.0, degrees=inf),), items_variance=0.0, seeds_variance=0.0)
    assert none.test(0.0, "t").p_value == 1.0
    assert isnan(none.test(1.0, "t").p_value)


@pytest.mark.parametrize("ratio", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("num", [2, 3, 5])
def test_few_seeds_cover(num, ratio):
    """The interval alone, on 4,000 draws of its own sources; Satterthwaite's covers 88 % at two seeds and ratio 10."""
    draw, held = np.random.default_rng([num, int(ratio)]), 0
    for _ in range(4_000):
        seeds = np.sqrt(ratio * num) * draw.normal(size=num)
        items = Part(variance=draw.chisquare(199) / 199, degrees=199)
        noise = crossed(items, [Part(variance=float(seeds.var(ddof=1)) / num, degrees=num - 1)], 0.0)
        interval = noise.interval(draw.normal() + seeds.mean(), 0.95)
        held += interval.low <= 0 <= interval.high
    assert held / 4_000 >= 0.935
