"""Arms of logs whose effect is known: recovered where the naive ratio is wrong, and said where it cannot be."""

from dataclasses import replace

import numpy as np
import pytest

from finetune_lab.field.comparing import OBSERVATIONAL, compare_arms
from finetune_lab.field.findings import Outcome


def compared(script, world, seed=0, change=lambda log: log, **other):
    asked = replace(script.asked(world), **other)
    return compare_arms(change(world.log(np.random.default_rng(seed))), "base", "tuned", asked)


def test_the_planted_ratio_is_recovered_and_the_naive_one_is_wrong(script):
    world = script.World(num_posts=2000, shape=2.0, luck=0.3)
    found = compared(script, world)
    (one,) = found.found
    assert one.adjusted.low < 1.3 < one.adjusted.high
    assert one.naive.low > 2
    assert (one.verdict, one.interacted) == ("more", True)
    assert OBSERVATIONAL in found.caveats
    assert found.balance.largest["original engagement"] > 0.3


def test_coverage_and_level_in_a_few_logs(script):
    """The wide measurement is scripts/check_field.py; here 60 logs each, which a broken interval does not pass."""
    for ratio in (1.0, 1.3):
        world = script.World(num_posts=200, ratio=ratio)
        found = script.comparisons(world, 60, seed=5)
        held = [pair.found[0].adjusted.low <= ratio <= pair.found[0].adjusted.high for pair in found]
        assert np.mean(held) >= 0.86
        naive = [pair.found[0].naive.low <= ratio <= pair.found[0].naive.high for pair in found]
        assert np.mean(naive) < 0.5


def test_a_random_assignment_looks_random(script):
    found = compared(script, script.World(pull=0.0, ratio=1.0))
    assert found.balance.looks_random
    assert OBSERVATIONAL not in found.caveats
    assert max(found.balance.largest.values()) < 0.2


def test_several_outcomes_are_held_by_holm(script):
    found = compared(script, script.World(num_outcomes=4, pull=0.0))
    plain = sorted(one.adjusted.p_value for one in found.found)
    assert sorted(one.p_adjusted for one in found.found)[0] == pytest.approx(min(1, 4 * plain[0]))


def test_arms_that_do_not_overlap_have_no_ratio(script):
    def split(log):
        return replace(log, arm=(log.engagement > np.median(log.engagement)).astype(np.int64))

    found = compared(script, script.World(), change=split)
    assert found.balance.outside is None
    assert [one.verdict for one in found.found] == ["unknown"]
    assert "do not overlap" in found.found[0].adjusted.why
    assert any("do not overlap" in caveat for caveat in found.caveats)


def test_arms_that_hardly_overlap_are_told(script):
    assert any("hardly overlap" in caveat for caveat in compared(script, script.World(pull=4.0)).caveats)


def test_one_arm_after_the_other_is_told(script):
    def late(log):
        return replace(log, seconds=log.seconds + 20 * script.WEEK * (log.arm == 1))

    assert any("reference did not run" in caveat for caveat in compared(script, script.World(), change=late).caveats)


def test_arms_that_share_no_topic_are_unknown_not_a_crash(script):
    found = compared(script, script.World(), change=lambda log: replace(log, topic=log.arm))
    assert [one.verdict for one in found.found] == ["unknown"]
    assert found.num_rows == (0, 0)


def test_an_outcome_that_an_arm_never_has_is_unknown(script):
    def none(log):
        return replace(log, outcomes={"y0": np.where(log.arm == 1, 0.0, log.outcomes["y0"])})

    (one,) = compared(script, script.World(), change=none).found
    assert one.verdict == "unknown"
    assert "none at all" in one.adjusted.why


def test_rows_without_impressions_or_outcome_do_not_take_part(script):
    def viewed(log):
        views = np.where(np.arange(log.num_rows) % 5 == 0, 0.0, 10.0)
        views[1] = np.nan
        return replace(log, outcomes={**log.outcomes, "views": views})

    rate = {"rate": Outcome(column="y0", per="views")}
    found = compared(script, script.World(), change=viewed, outcomes=rate)
    whole = compared(script, script.World())
    assert found.found[0].num_rows < 0.81 * whole.found[0].num_rows
    assert found.found[0].reference_mean == pytest.approx(whole.found[0].reference_mean / 10, rel=0.4)


def test_few_posts_let_covariates_work_alike_in_both_arms(script):
    (one,) = compared(script, script.World(num_posts=100)).found
    assert not one.interacted
    assert one.adjusted.value > 0
