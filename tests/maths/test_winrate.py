"""Win rates: the public leaderboard to its last digits, planted effects recovered, planted length bias removed."""

import csv
import json

import numpy as np
import pytest

from finetune_lab.maths.logistic import expit, fit_logistic
from finetune_lab.maths.winrate import bradley_terry, length_adjusted, win_rate, wins


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["NullModel", "alpaca-7b_concise", "gemma-7b-it", "gpt-3.5-turbo-1106"])
def test_the_leaderboard_is_met(realdata, name):
    folder = realdata / "judge"
    rows = json.loads((folder / f"alpaca_eval_{name}.json").read_text())
    with (folder / "alpaca_eval_leaderboard.csv").open() as stream:
        [published] = [row for row in csv.DictReader(stream) if row[""] == name]
    found = win_rate(np.array([row["preference"] for row in rows], dtype=float))
    assert 100 * found.value == pytest.approx(float(published["win_rate"]), abs=1e-6)
    assert 100 * found.error == pytest.approx(float(published["standard_error"]), abs=1e-6)
    counts = (found.num_wins, found.num_losses, found.num_draws, found.num)
    assert counts == tuple(int(published[key]) for key in ("n_wins", "n_wins_base", "n_draws", "n_total"))


@pytest.mark.realdata
def test_adjusting_moves_as_the_leaderboard_does(realdata):
    for name, up in (("gpt-3.5-turbo-1106", True), ("gemma-7b-it", True)):
        rows = json.loads((realdata / "judge" / f"alpaca_eval_{name}.json").read_text())
        preferences = np.array([row["preference"] for row in rows], dtype=float)
        lengths, others = (np.array([len(row[key]) for row in rows], dtype=float) for key in ("output_2", "output_1"))
        found = length_adjusted(preferences, lengths, others)
        assert found.converged
        assert found.length_effect > 0
        assert (found.value > win_rate(preferences).value) == up


def test_what_a_preference_means():
    assert wins(np.array([0.0, 1.0, 2.0, 1.25])) == pytest.approx([0.5, 0.0, 1.0, 0.25])
    with pytest.raises(ValueError, match=r"got 0\.5"):
        wins(np.array([0.5]))
    found = win_rate(np.array([2.0, 2.0, np.nan, 1.0]))
    assert (found.num, found.num_wins, found.value) == (3, 2, pytest.approx(2 / 3))
    assert np.isnan(win_rate(np.array([np.nan])).value)
    assert np.isnan(win_rate(np.array([2.0])).error)


def test_clusters_widen_the_error():
    alike = np.repeat(np.random.default_rng(0).integers(1, 3, 50).astype(float), 4)
    one, other = win_rate(alike), win_rate(alike, clusters=np.repeat(np.arange(50), 4))
    assert other.error == pytest.approx(2 * one.error, rel=0.05)


def drawn(generator, effect, bias, num=400):
    """Preferences with an effect and a length bias, both in logits, of answers that are mostly longer."""
    lengths, others = generator.normal(1500, 400, num), generator.normal(1000, 300, num)
    gaps = lengths - others
    won = generator.random(num) < expit(effect + bias * np.tanh(gaps / gaps.std()))
    return 1.0 + won, lengths, others


@pytest.mark.parametrize(("effect", "bias"), [(0.0, 1.5), (0.6, 0.0), (0.6, 1.5), (-0.4, 1.0)])
def test_it_recovers_an_effect_and_removes_a_length_bias(effect, bias):
    generator, inside = np.random.default_rng(1), 0
    for _ in range(200):
        found = length_adjusted(*drawn(generator, effect, bias))
        inside += found.interval.low <= expit(np.float64(effect)) <= found.interval.high
    assert 0.91 <= inside / 200 <= 0.99


def test_the_plain_rate_is_fooled_by_length():
    preferences, lengths, others = drawn(np.random.default_rng(2), 0.0, 1.5, num=2000)
    plain, adjusted = win_rate(preferences), length_adjusted(preferences, lengths, others)
    assert plain.interval.low > 0.6
    assert adjusted.interval.low < 0.5 < adjusted.interval.high
    assert adjusted.length_interval.low < 1.5 < adjusted.length_interval.high


def test_equal_lengths_give_the_plain_rate():
    preferences = np.array([2.0, 2.0, 1.0, 0.0, 2.0])
    found = length_adjusted(preferences, np.full(5, 10.0), np.full(5, 10.0))
    assert found.value == pytest.approx(win_rate(preferences).value)


def test_what_is_separated_is_unknown():
    found = length_adjusted(np.full(20, 2.0), np.arange(20.0), np.zeros(20))
    assert not found.converged
    assert np.isnan(found.value)
    assert np.isnan(found.interval.low)


def test_the_fit_is_the_maximum():
    from scipy.optimize import minimize

    generator = np.random.default_rng(3)
    design = np.stack([np.ones(200), generator.normal(size=200)], axis=1)
    outcomes = np.clip(expit(design @ [0.3, -0.8]) + 0.1 * generator.normal(size=200), 0, 1)

    def loss(beta):
        logits = design @ beta
        return float(np.sum(np.logaddexp(0, logits) - outcomes * logits))

    found = fit_logistic(design, outcomes, np.arange(200))
    assert found.coefficients == pytest.approx(minimize(loss, np.zeros(2), tol=1e-12).x, abs=1e-5)


def played(generator, strengths, num_prompts, spread=0.0):
    """Every pair once on each prompt; `spread` is a preference that a prompt has for the later players."""
    pairs = [(i, j) for i in range(len(strengths)) for j in range(i)]
    first = np.tile([i for i, _ in pairs], num_prompts)
    second = np.tile([j for _, j in pairs], num_prompts)
    prompts = np.repeat(np.arange(num_prompts), len(pairs))
    lean = spread * generator.normal(size=num_prompts)[prompts]
    won = generator.random(len(first)) < expit(strengths[first] - strengths[second] + lean)
    return first, second, won.astype(float), prompts


def test_strengths_are_recovered_within_their_intervals():
    truth, generator, inside = np.array([-0.6, -0.1, 0.2, 0.5]), np.random.default_rng(4), np.zeros(4)
    for _ in range(150):
        found = bradley_terry("abcd", *played(generator, truth, 80))
        inside += [i.low <= value <= i.high for i, value in zip(found.intervals, truth, strict=True)]
    assert found.values.sum() == pytest.approx(0, abs=1e-9)
    assert np.all(inside / 150 >= 0.89)


def test_shared_prompts_widen_the_intervals():
    first, second, won, prompts = played(np.random.default_rng(5), np.zeros(4), 80, spread=3.0)
    wide = bradley_terry("abcd", first, second, won, prompts)
    narrow = bradley_terry("abcd", first, second, won, np.arange(len(won)))
    width = [found.intervals[3].high - found.intervals[3].low for found in (wide, narrow)]
    assert width[0] > 1.2 * width[1]


def test_a_known_table_of_two_players():
    won = np.array([1.0] * 30 + [0.0] * 10)
    found = bradley_terry(("a", "b"), np.zeros(40, int), np.ones(40, int), won, np.arange(40))
    assert found.probability("a", "b") == pytest.approx(0.75)
    assert found.values[0] == pytest.approx(np.log(3) / 2)


def test_a_player_who_won_all_has_no_strength():
    found = bradley_terry(("a", "b"), np.zeros(5, int), np.ones(5, int), np.ones(5), np.arange(5))
    assert not found.converged
    assert np.isnan(found.values).all()
