"""Items and raters as sources of noise: against closed forms, and as comparison will read the stored values."""

import numpy as np
import pytest
from scipy.stats import t

from finetune_lab.maths.compare import Question, compare_many
from finetune_lab.maths.pairing import Arm, SampleColumns, no_difference
from finetune_lab.maths.rater_noise import NOBODY, rated
from finetune_lab.records import Statistic


def crossed_votes(num_items, num_raters, seed=0, rater_effect=0.3):
    drawn = np.random.default_rng(seed)
    items, raters = (part.ravel() for part in np.meshgrid(np.arange(num_items), np.arange(num_raters), indexing="ij"))
    effects = drawn.standard_normal(num_raters) * rater_effect
    values = drawn.standard_normal(len(items)) + drawn.standard_normal(num_items)[items] + effects[raters]
    return items, raters, values


def test_one_rater_gives_students_interval_of_the_items():
    items, raters, values = crossed_votes(20, 1)
    found = rated(items, raters, values, items)
    half = t.ppf(0.975, 19) * values.std(ddof=1) / 20**0.5
    assert found.interval.high - found.value == pytest.approx(half)
    assert found.interval == found.items_only
    assert found.num_raters == 1


def test_a_full_table_gives_the_two_way_variance():
    items, raters, values = crossed_votes(30, 6)
    found = rated(items, raters, values, np.arange(30))
    table = values.reshape(30, 6)
    of_items = table.mean(axis=1).var(ddof=1) / 30
    of_raters = table.mean(axis=0).var(ddof=1) / 6
    both = np.sum((table - table.mean()) ** 2) / 180**2 * 30 / 29
    assert found.value == pytest.approx(table.mean())
    assert found.noise.variance == pytest.approx(of_items + of_raters - both)
    assert found.interval.high - found.interval.low > found.items_only.high - found.items_only.low


def test_items_weigh_alike_however_many_votes_they_have():
    found = rated(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]), np.array([1.0, 1.0, 1.0, 0.0]), np.array([0, 1]))
    assert found.value == 0.5
    assert found.values.tolist() == [1.0, 0.0]


def test_values_that_needed_nobody_are_no_raters():
    items, raters, values = (
        np.arange(6),
        np.array([0, 0, 0, NOBODY, NOBODY, NOBODY]),
        np.array([1.0, 0, 1, 0.5, 0.5, 0.5]),
    )
    found = rated(items, raters, values, items)
    assert found.num_raters == 1
    assert found.interval == found.items_only


@pytest.mark.parametrize("num_raters", [1, 2, 7])
def test_a_comparison_of_the_stored_values_shows_the_same_interval(num_raters):
    items, raters, values = crossed_votes(24, num_raters, seed=num_raters)
    clusters = np.arange(24) // 2
    found = rated(items, raters, values, clusters)
    names = [f"s{n}" for n in range(24)]
    columns = SampleColumns.of(names, [f"c{n}" for n in clusters], {"x": found.left_out})
    statistic = Statistic(kind="jackknife", of="x", null=0.5)
    candidate = Arm(label="b", seeds=(columns,), values=(found.value,))
    question = Question(
        name="win_rate", statistic=statistic, higher_is_better=True, evaluator="e", candidate=candidate,
        reference=no_difference(candidate, statistic, "a"),
    )  # fmt: skip
    (difference,) = compare_many([question], confidence=0.95, resamples=99, seed=0)
    assert difference.difference == pytest.approx(found.value - 0.5)
    assert difference.low == pytest.approx(found.interval.low - 0.5)
    assert difference.high == pytest.approx(found.interval.high - 0.5)


def test_nothing_and_one_item_have_no_interval():
    none = np.zeros(0, dtype=np.int64)
    assert np.isnan(rated(none, none, none.astype(float), none).value)
    one = rated(np.array([0]), np.array([0]), np.array([1.0]), np.array([0]))
    assert one.value == 1.0
    assert np.isnan(one.interval.low)
