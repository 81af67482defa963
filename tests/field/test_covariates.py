"""Covariates as columns: standardised, without what says nothing, without topics of one arm alone."""

from dataclasses import replace

import numpy as np
import pytest

from finetune_lab.field.covariates import Shapes, covariates

SHAPES = Shapes(spline_columns=3, hour_waves=2, num_topics=30, rare=20)


@pytest.fixture
def log(script):
    return script.World().log(np.random.default_rng(0))


def test_every_covariate_has_its_columns(log):
    found = covariates(log, 0, 1, SHAPES)
    assert {name: len(found.of(name)) for name in found.sources} == {
        "topic": 4, "hour": 4, "original engagement": 3, "time": 3
    }  # fmt: skip
    assert found.columns.mean(axis=0) == pytest.approx(0, abs=1e-9)
    assert found.columns.std(axis=0) == pytest.approx(1)
    assert (found.constant, found.one_sided, len(found.rows)) == ((), (), log.num_rows)


def test_what_is_constant_is_named(log):
    found = covariates(replace(log, hour=np.full(log.num_rows, 9.0)), 0, 1, SHAPES)
    assert found.constant == ("hour",)
    assert found.of("hour") == []


def test_a_topic_of_one_arm_alone_is_left_out_and_rare_ones_are_one(log):
    one_sided = np.where((log.topic == 4) & (log.arm == 1), 3, log.topic)
    found = covariates(replace(log, topic=one_sided), 0, 1, replace(SHAPES, rare=10))
    assert found.one_sided == ("e",)
    assert set(one_sided[found.rows]) == {0, 1, 2, 3}
    assert covariates(log, 0, 1, replace(SHAPES, rare=1000)).constant == ("topic",)
    assert len(covariates(log, 0, 1, replace(SHAPES, num_topics=2)).of("topic")) == 2


def test_arms_without_a_common_topic_leave_nothing(log):
    found = covariates(replace(log, topic=log.arm), 0, 1, SHAPES)
    assert len(found.rows) == 0
    assert found.columns.shape == (0, 0)
