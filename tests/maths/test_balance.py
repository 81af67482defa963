"""Balance and overlap: known differences, a test that keeps its level with clusters, arms that never meet."""

import numpy as np
import pytest

from finetune_lab.maths.balance import overlap, random_assignment, standardised_differences


def drawn(seed, pull=0.0, num=300):
    rng = np.random.default_rng(seed)
    posts = np.repeat(np.arange(num), 3)
    x = rng.normal(size=(num, 4))[posts]
    arm = rng.random(len(posts)) < 1 / (1 + np.exp(-pull * x[:, 0]))
    return x, arm, posts


def test_differences_are_in_deviations():
    arm = np.arange(400) % 2 == 0
    columns = np.column_stack([np.where(arm, 3.0, 1.0) + np.tile([1.0, 1.0, -1.0, -1.0], 100), np.ones(400), arm])
    assert standardised_differences(columns, arm) == pytest.approx([2.0, 0.0, np.inf])


def test_a_random_assignment_is_rejected_as_often_as_said():
    by_rows = [random_assignment(*drawn(seed)) < 0.05 for seed in range(400)]
    assert 0.02 < np.mean(by_rows) < 0.09
    of_posts = []
    for seed in range(400):
        x, _, posts = drawn(seed)
        arm = np.random.default_rng(seed + 1000).random(posts.max() + 1) < 0.5
        of_posts.append(random_assignment(x, arm[posts], posts) < 0.05)
    assert 0.02 < np.mean(of_posts) < 0.09


def test_an_assignment_by_a_covariate_is_found():
    assert random_assignment(*drawn(0, pull=1.0)) < 1e-6


def test_too_few_clusters_tell_nothing():
    x, arm, posts = drawn(0, num=5)
    assert np.isnan(random_assignment(x, arm, posts))


def test_overlap_counts_rows_without_a_counterpart():
    assert overlap(*drawn(0), least=0.05).outside == 0
    assert 0.05 < overlap(*drawn(0, pull=3.0), least=0.05).outside < 0.6
    x, _, posts = drawn(0)
    assert overlap(x, x[:, 0] > 0, posts, least=0.05).outside is None


def test_a_small_arm_alone_is_no_lack_of_overlap():
    x, _, posts = drawn(0, num=2000)
    arm = np.random.default_rng(1).random(len(posts)) < 0.02
    assert overlap(x, arm, posts, least=0.05).outside == 0
