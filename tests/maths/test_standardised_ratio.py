"""The ratio of two arms: plain without covariates, averaged over all rows with them, its noise that of leaving out."""

import numpy as np
import pytest

from finetune_lab.maths.count_model import fit_counts
from finetune_lab.maths.standardised_ratio import standardised_ratio


def log(num=400, ratio=1.5, seed=0):
    """Confounded: the larger x, the likelier the candidate and the larger the counts. Posts have luck of their own."""
    rng = np.random.default_rng(seed)
    posts = np.repeat(np.arange(num // 2), 2)
    x = rng.normal(size=num // 2)[posts]
    arm = rng.random(num) < 1 / (1 + np.exp(-1.5 * x))
    means = np.exp(1 + 0.8 * x + np.log(ratio) * arm + 0.3 * rng.normal(size=num // 2)[posts])
    return rng.poisson(means).astype(float), arm, x[:, None] - x.mean(), posts


def ask(counts, arm, x, posts, **other):
    asked = {"offset": np.zeros(len(counts)), "interacted": False, "confidence": 0.95} | other
    return standardised_ratio(counts, arm, x, posts, **asked)


def test_without_covariates_it_is_the_ratio_of_the_means():
    counts, arm, x, posts = log()
    assert ask(counts, arm, x[:, :0], posts).value == pytest.approx(counts[arm].mean() / counts[~arm].mean())


def test_what_confounds_is_held_equal_and_the_naive_ratio_is_wrong():
    counts, arm, x, posts = log(num=4000)
    naive, adjusted, crossed = (
        ask(counts, arm, x[:, :0], posts),
        ask(counts, arm, x, posts),
        ask(counts, arm, x, posts, interacted=True),
    )
    assert naive.low > 2
    for one in (adjusted, crossed):
        assert one.low < 1.5 < one.high
        assert one.high / one.low < 1.3


def test_interacted_is_two_models_averaged_over_all_rows():
    counts, arm, x, posts = log()
    full, means = np.column_stack([np.ones(len(x)), x]), []
    for side in (arm, ~arm):
        fit = fit_counts(full[side], counts[side], np.zeros(side.sum()))
        means.append(np.exp(full @ fit.coefficients).mean())
    assert ask(counts, arm, x, posts, interacted=True).value == pytest.approx(means[0] / means[1])


@pytest.mark.parametrize("interacted", [False, True])
def test_the_error_is_that_of_leaving_out_each_cluster_in_turn(interacted):
    counts, arm, x, posts = log(num=160)
    whole = ask(counts, arm, x, posts, interacted=interacted)
    values = []
    for number in range(posts.max() + 1):
        rest = posts != number
        others = np.unique(posts[rest], return_inverse=True)[1]
        values.append(
            np.log(
                standardised_ratio(
                    counts[rest], arm[rest], x[rest], others, offset=np.zeros(rest.sum()), interacted=interacted,
                    confidence=0.95,
                ).value
            )
        )  # fmt: skip
    num = len(values)
    error = np.sqrt((num - 1) / num * np.sum((np.array(values) - np.mean(values)) ** 2))
    assert whole.log_error == pytest.approx(error, rel=0.05)


def test_an_offset_makes_it_a_ratio_of_rates():
    counts, arm, x, posts = log()
    views = np.where(arm, 20.0, 10.0)
    found = ask(counts * views, arm, x[:, :0], posts, offset=np.log(views))
    assert found.value == pytest.approx(counts[arm].mean() / counts[~arm].mean())


def test_rows_of_one_post_are_no_news():
    counts, arm, x, posts = log()
    once = ask(counts, arm, x, posts)
    tripled = ask(*(np.repeat(part, 3, axis=0) for part in (counts, arm, x, posts)))
    assert tripled.log_error == pytest.approx(once.log_error, rel=0.02)


def test_interval_and_test_agree():
    found = [ask(*log(ratio=1.1, seed=seed)) for seed in range(20)]
    assert all((one.p_value < 0.05) == (one.low > 1 or one.high < 1) for one in found)
    assert len({one.p_value < 0.05 for one in found}) == 2


def test_what_has_no_ratio_says_why():
    counts, arm, x, posts = log()
    assert "none at all" in ask(np.where(arm, 0, counts), arm, x, posts).why
    assert "fewer than three" in ask(counts[:4], arm[:4], x[:4], posts[:4]).why
    only = np.where((np.arange(len(x)) < 2)[:, None], 1.0, 0.0)
    assert ask(counts + 1, arm, only, posts).why
    assert np.isnan(ask(np.where(arm, 0, counts), arm, x, posts).value)


def test_noise_that_a_few_posts_make_has_few_degrees():
    counts, arm, x, posts = log()
    even = ask(counts, arm, x, posts)
    wild = ask(np.where(posts < 3, counts * 200, counts), arm, x, posts)
    assert even.noise_degrees > 30
    assert 1 <= wild.noise_degrees < 5
