"""Intervals and tests against simulated data with known truth: a slice of scripts/check_statistics.py.

The draws are seeded, so that each number here is always the same one; the bounds are what the page promises.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from finetune_lab.maths.compare import compare_many
from finetune_lab.maths.resampling import bootstrap_totals, percentile_interval

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from scripts.check_statistics import check, question
from scripts.statistics_cases import Case, Drawn, draw_left_out, draw_mean, draw_rate, draw_ratio, draw_seeds

NUM = 600
MARGIN = 0.018  # of the simulation itself: two standard errors of a rate near 5 % in 600 draws


def run(draw, num, shift=0.1, **settings):
    return check(Case(name=draw.__name__, draw=draw, num=num, shift=shift, settings=settings), NUM, resamples=999)


HONEST = {
    "normal, 12": (draw_mean, 12, {}),
    "normal, 32": (draw_mean, 32, {}),
    "exponential, 200": (draw_mean, 200, {"shape": "exponential"}),
    "uneven clusters": (draw_mean, 200, {"cluster_size": 5, "uneven": True}),
    "pass rate, 32": (draw_rate, 32, {}),
    "pass rate near one, 64": (draw_rate, 64, {"rate": 0.97}),
    "pass rate in 12 clusters": (draw_rate, 60, {"cluster_size": 5}),
    "perplexity, 200": (draw_ratio, 200, {}),
    "perplexity in clusters": (draw_ratio, 160, {"cluster_size": 4}),
    "perplexity, 64": (draw_ratio, 64, {}),
    "heavy tails, 64": (draw_mean, 64, {"shape": "heavy"}),
    "2 seeds": (draw_seeds, 100, {"seeds": 2, "ratio": 10.0}),
    "3 seeds": (draw_seeds, 100, {"seeds": 3, "ratio": 3.0}),
    "5 seeds": (draw_seeds, 100, {"seeds": 5, "ratio": 3.0}),
    "pass rate, 3 seeds": (draw_rate, 100, {"seeds": 3, "seed_noise": 0.1}),
    "jackknife, 60": (draw_left_out, 60, {}),
}


@pytest.mark.parametrize("name", HONEST)
def test_intervals_cover_and_tests_keep_their_size(name):
    draw, num, settings = HONEST[name]
    found = run(draw, num, shift=0.02 if settings.get("rate") else 0.1, **settings)
    assert found.coverage >= 0.93
    assert found.size <= 0.06 + MARGIN
    assert found.wrong_verdicts <= 0.06 + MARGIN


def test_one_seed_covers_too_little_where_training_is_noisy():
    found = run(draw_seeds, 100, seeds=1, ratio=10.0)
    assert found.coverage < 0.6
    assert found.size > 0.4


@pytest.mark.parametrize(("seeds", "ratio"), [(3, 0.3), (3, 10.0), (5, 1.0)])
def test_few_seeds_are_not_wider_than_they_must_be(seeds, ratio):
    assert run(draw_seeds, 100, seeds=seeds, ratio=ratio).of_design <= 1.5


def test_resampling_seeds_and_items_covers_too_little():
    """Why few seeds take a t interval: the two-level bootstrap of three seeds."""
    generator, held = np.random.default_rng(0), 0
    for number in range(200):
        drawn = draw_seeds(generator, 50, 0.0, seeds=3, ratio=3.0)
        gaps = np.stack([run["x"] - drawn.reference[0]["x"] for run in drawn.candidate])[:, :, None]
        means = bootstrap_totals(gaps, resamples=499, generator=np.random.default_rng(number))[:, 0] / 50
        found = percentile_interval(means, confidence=0.95)
        held += found.low <= 0 <= found.high
    assert held / 200 < 0.88


def test_ignoring_clusters_finds_what_is_not_there():
    generator = np.random.default_rng(0)
    drawn = [draw_mean(generator, 200, 0.0, cluster_size=20) for _ in range(NUM)]
    apart = [Drawn(**{**vars(one), "clusters": None}) for one in drawn]
    together, ignored = (
        np.mean([one.p_value < 0.05 for one in compare_many([question(one) for one in made], resamples=999)])
        for made in (drawn, apart)
    )
    assert together <= 0.065
    assert ignored > 0.3
