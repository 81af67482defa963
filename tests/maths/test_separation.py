"""δ², XBI, CHI, AQI: published tables, exact identities, the jackknife by hand, and the truth on simulated states."""

import csv
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from finetune_lab.maths.group_noise import GroupNoise
from finetune_lab.maths.intervals import jackknife_interval
from finetune_lab.maths.separation import (
    clustered_interval,
    permuted_delta_squared,
    published,
    spread,
    spread_without,
    standardise,
)
from finetune_lab.maths.separation_change import biased_bootstrap, change

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from scripts.check_aqi import Case, check

SHAPES = [(4, 4, 1), (16, 16, 8), (20, 31, 300), (100, 7, 5)]


def drawn(num_safe, num_unsafe, width, effect=0.3, seed=0):
    generator = np.random.default_rng([seed, num_safe, num_unsafe, width])
    states = generator.normal(size=(num_safe + num_unsafe, width)) * np.exp(generator.normal(size=width)) + 5
    unsafe = np.arange(len(states)) >= num_safe
    states[unsafe] += effect
    return states, unsafe


def scale(how, states):
    """What to standardise by: nothing, the states themselves, or those of another model."""
    other = states + np.random.default_rng(1).normal(size=states.shape)
    return {"raw": None, "own": states, "other": other}[how]


@pytest.mark.realdata
def test_the_published_tables_follow_from_their_raw_columns(realdata):
    tables = sorted((realdata / "aqi").glob("*.csv"))
    assert len(tables) == 6
    for path in tables:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [[float(field) for field in row[1:]] for row in list(csv.reader(stream))[1:]]
        chi, xie_beni, chi_norm, xie_beni_norm, aqi = np.array(rows).T
        found = published(chi, xie_beni)
        assert np.abs(found.chi - chi_norm).max() < 0.05
        assert np.abs(found.xie_beni - xie_beni_norm).max() < 0.05
        assert np.abs(found.aqi - aqi).max() < 0.05


@pytest.mark.realdata
def test_the_published_columns_are_one_statistic(realdata):
    """CHI · XB = (n − 2)/4 for balanced classes: 400 prompts an axiom, 2,800 overall."""
    for path in (realdata / "aqi").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as stream:
            for name, chi, xie_beni, *_ in list(csv.reader(stream))[1:]:
                num = 2800 if name == "overall" else 400
                assert float(chi) * float(xie_beni) == pytest.approx((num - 2) / 4, rel=2e-3)


def test_the_published_form_of_equal_rows_is_unknown():
    assert np.isnan(published([3.0, 3.0], [1.0, 1.0]).aqi).all()


@pytest.mark.parametrize("how", ["raw", "own", "other"])
@pytest.mark.parametrize("shape", SHAPES)
def test_chi_is_xbi_under_another_name(shape, how):
    states, unsafe = drawn(*shape)
    found, (first, second) = spread(states, unsafe, reference=scale(how, states)), shape[:2]
    num = first + second
    assert found.calinski_harabasz * found.xie_beni == pytest.approx(first * second * (num - 2) / num**2, rel=1e-9)
    assert found.aqi(0.5) == pytest.approx(0.5 / found.xie_beni + 0.5 * found.calinski_harabasz, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_indices_equal_their_definitions(shape):
    states, unsafe = drawn(*shape)
    found, sides = spread(states, unsafe), (states[~unsafe], states[unsafe])
    centres = [side.mean(axis=0) for side in sides]
    within = sum(float(((side - centre) ** 2).sum()) for side, centre in zip(sides, centres, strict=True))
    apart = float(((centres[0] - centres[1]) ** 2).sum())
    between = sum(len(s) * float(((c - states.mean(axis=0)) ** 2).sum()) for s, c in zip(sides, centres, strict=True))
    noise = sum(float(np.trace(np.atleast_2d(np.cov(side.T)))) / len(side) for side in sides)
    assert found.xie_beni == pytest.approx(within / (len(states) * apart))
    assert found.calinski_harabasz == pytest.approx(between / (within / (len(states) - 2)))
    assert found.delta_squared == pytest.approx((apart - noise) / (within / (len(states) - 2)))


def test_standardised_states_have_unit_deviation_within_classes_and_constants_count_nothing():
    states, unsafe = drawn(20, 30, 6)
    states[:, 2] = 0.1  # what float32 calls constant
    shown = standardise(states, unsafe)
    within = sum(shown[side].var(axis=0) * side.sum() for side in (unsafe, ~unsafe)) / 48
    assert within == pytest.approx([1, 1, 0, 1, 1, 1])
    whole, without = (spread(x, unsafe, reference=x).delta_squared for x in (states, np.delete(states, 2, axis=1)))
    assert whole == pytest.approx(without)
    assert np.isnan(spread(np.ones((8, 3)), np.arange(8) > 3).delta_squared)


def test_delta_squared_knows_no_scale_and_no_origin():
    states, unsafe = drawn(20, 30, 6)
    moved = states * np.arange(1, 7) - 40
    values = [spread(x, unsafe, reference=x).delta_squared for x in (states, moved)]
    assert values[0] == pytest.approx(values[1])
    raw = [spread(x, unsafe).delta_squared for x in (states, 3 * states + 7)]
    assert raw[0] == pytest.approx(raw[1])


@pytest.mark.parametrize("how", ["raw", "own", "other"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_jackknife_leaves_out_one_prompt_at_a_time(shape, how):
    states, unsafe = drawn(*shape)
    reference = scale(how, states)
    found = spread_without(states, unsafe, reference=reference)
    for row in range(len(states)):
        rest = None if reference is None else np.delete(reference, row, axis=0)
        due = spread(np.delete(states, row, axis=0), np.delete(unsafe, row), reference=rest)
        assert found.delta_squared[row] == pytest.approx(due.delta_squared, rel=1e-9)
        assert found.aqi(0.5)[row] == pytest.approx(due.aqi(0.5), rel=1e-9)
        assert found.xie_beni[row] == pytest.approx(due.xie_beni, rel=1e-9)


GROUPS = {
    "pairs": [0, 1, 2, 3, 4, 0, 1, 2, 3, 4],
    "paraphrases": [0, 0, 1, 1, 2, 3, 3, 4, 4, 5],
    "mixed": [0, 0, 1, 1, 2, 0, 3, 3, 1, 4],
}


@pytest.mark.parametrize("kind", GROUPS)
def test_prompts_of_one_group_are_never_multiplied(kind):
    """The noise against the double sum over pairs of prompts from different groups."""
    states, unsafe = drawn(5, 5, 4)
    groups, centred = np.array(GROUPS[kind]), states - states.mean(axis=0)
    sums, nums = np.zeros((3, 4)), np.zeros(3)
    for one, other in combinations(range(10), 2):
        if groups[one] != groups[other]:
            which = int(unsafe[one]) if unsafe[one] == unsafe[other] else 2
            sums[which] += centred[one] * centred[other]
            nums[which] += 1
    parts = sums / nums[:, None]
    apart = (states[unsafe].mean(axis=0) - states[~unsafe].mean(axis=0)) ** 2
    assert GroupNoise(states, unsafe, groups).whole() == pytest.approx(apart - parts[0] - parts[1] + 2 * parts[2])


def test_the_noise_of_prompts_that_share_nothing_is_the_plain_one_and_that_of_pairs_theirs():
    states, unsafe = drawn(6, 6, 4)
    alone = sum(states[side].var(axis=0, ddof=1) / 6 for side in (unsafe, ~unsafe))
    assert GroupNoise(states, unsafe, np.arange(12)).whole() == pytest.approx(alone)
    gaps = states[unsafe] - states[~unsafe]
    assert GroupNoise(states, unsafe, np.arange(12) % 6).whole() == pytest.approx(gaps.var(axis=0, ddof=1) / 6)


@pytest.mark.parametrize("kind", GROUPS)
def test_the_noise_without_one_prompt(kind):
    """The centre stays where it was: the rest is looked at around it."""
    states, unsafe = drawn(5, 5, 4)
    groups, centred = np.array(GROUPS[kind]), states - states.mean(axis=0)
    noise = GroupNoise(states, unsafe, groups)
    for row in range(10):
        rest = np.delete(centred, row, axis=0)
        assert noise.without(np.array([row]))[0] == pytest.approx(around_zero(rest, unsafe, groups, row), abs=1e-12)


def around_zero(rest, unsafe, groups, row):
    """The noise of `rest` by the double sum, without another centring."""
    unsafe, groups = np.delete(unsafe, row), np.delete(groups, row)
    sums, nums = np.zeros((3, 4)), np.zeros(3)
    for one, other in combinations(range(9), 2):
        if groups[one] != groups[other]:
            which = int(unsafe[one]) if unsafe[one] == unsafe[other] else 2
            sums[which] += rest[one] * rest[other]
            nums[which] += 1
    parts = sums / nums[:, None]
    return (rest[unsafe].mean(axis=0) - rest[~unsafe].mean(axis=0)) ** 2 - parts[0] - parts[1] + 2 * parts[2]


def test_permuted_labels_give_what_each_labelling_gives_by_itself():
    states, unsafe = drawn(12, 20, 9)
    generator = np.random.default_rng(0)
    labels = np.array([unsafe, *(generator.permutation(unsafe) for _ in range(10)), generator.random(32) < 0.3])
    for standardised in (True, False):
        due = [spread(states, row, reference=states if standardised else None).delta_squared for row in labels]
        assert permuted_delta_squared(states, labels, standardised=standardised) == pytest.approx(due)


def test_a_cluster_of_one_is_a_prompt():
    left_out = np.random.default_rng(0).normal(size=20)
    plain, clustered = jackknife_interval(1.0, left_out), clustered_interval(1.0, left_out, np.arange(20))
    assert (plain.low, plain.high) == pytest.approx((clustered.low, clustered.high))
    twice = clustered_interval(1.0, np.repeat(left_out, 2), np.repeat(np.arange(20), 2))
    assert twice.high - twice.low == pytest.approx((plain.high - plain.low) * 39 / 19)
    assert np.isnan(clustered_interval(1.0, left_out, np.zeros(20, dtype=np.int64)).low)


@pytest.mark.parametrize("standardised", [True, False])
def test_the_change_is_the_difference_of_both_under_one_scale(standardised):
    before, unsafe = drawn(15, 20, 7)
    after = 2 * before + np.random.default_rng(2).normal(size=before.shape)
    found = change(before, after, unsafe, standardised=standardised)
    reference = before if standardised else None
    sides = [spread(x, unsafe, reference=reference).delta_squared for x in (before, after)]
    assert found.delta_squared == pytest.approx(sides[1] - sides[0])
    rest = [np.delete(x, 3, axis=0) for x in (before, after)]
    due = change(*rest, np.delete(unsafe, 3), standardised=standardised)
    assert found.delta_squared_without[3] == pytest.approx(due.delta_squared)
    assert found.aqi_without(0.5)[3] == pytest.approx(due.aqi(0.5))


def test_the_bootstrap_of_aqi_is_biased_as_it_says():
    """Without an effect the resampled AQI is about twice the observed one; the same seed gives the same interval."""
    generator = np.random.default_rng(0)
    before, unsafe = generator.normal(size=(128, 64)), np.arange(128) % 2 == 0
    after = before + 0.3 * generator.normal(size=before.shape)
    setting = {"weight": 0.5, "standardised": True, "num": 1000}
    found = [biased_bootstrap(before, after, unsafe, generator=np.random.default_rng(5), **setting) for _ in range(2)]
    assert found[0] == found[1]
    assert 1.8 < found[0].reference_ratio < 2.3
    assert 1.8 < found[0].candidate_ratio < 2.3


@pytest.mark.parametrize(
    "case",
    [
        Case(num_safe=16, num_unsafe=16, effect=0.0),
        Case(num_safe=64, num_unsafe=64, effect=0.0),
        Case(num_safe=100, num_unsafe=30, effect=0.0),
        Case(num_safe=64, num_unsafe=64, effect=0.0, pairs=True),
        Case(num_safe=64, num_unsafe=64, effect=0.0, standardised=False),
        Case(num_safe=64, num_unsafe=64, effect=0.0, shape="heavy"),
    ],
    ids=lambda case: f"{case.name} {case.num_safe}",
)
def test_delta_squared_is_zero_on_average_without_an_effect(case):
    found = check(case, 500, bootstrap=False)
    assert abs(found.mean) <= 3 * found.error
    assert found.error < 0.01


def test_twice_the_prompts_leave_delta_squared_and_double_aqi():
    small, large = (check(Case(num_safe=n, num_unsafe=n, effect=0.5), 300, bootstrap=False) for n in (64, 128))
    assert small.mean == pytest.approx(0.5, abs=0.03)
    assert large.mean == pytest.approx(0.5, abs=0.02)
    assert 1.8 < large.aqi / small.aqi < 2.1


COVERED = [
    Case(num_safe=32, num_unsafe=32, effect=0.0),
    Case(num_safe=32, num_unsafe=32, effect=0.5),
    Case(num_safe=128, num_unsafe=128, effect=0.1),
    Case(num_safe=64, num_unsafe=64, effect=0.1, shape="heavy"),
    Case(num_safe=64, num_unsafe=64, effect=0.1, pairs=True),
    Case(num_safe=100, num_unsafe=30, effect=0.1),
    Case(num_safe=128, num_unsafe=128, effect=0.1, change=0.1),
    Case(num_safe=128, num_unsafe=128, effect=0.0, change=0.0, pairs=True),
]


@pytest.mark.parametrize("case", COVERED, ids=lambda case: f"{case.name} {case.num_safe}")
def test_the_jackknife_covers_and_is_not_much_wider_than_it_must_be(case):
    """A slice of scripts/check_aqi.py; the draws are seeded."""
    found = check(case, 400, bootstrap=False)
    assert found.coverage >= 0.93
    assert found.width <= 2
