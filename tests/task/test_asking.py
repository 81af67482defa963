"""What the tasks that ask people share: answers once, and the same arm on both sides refused."""

from typing import Any

import pytest

from finetune_lab.errors import ConfigError
from finetune_lab.task.asking import open_study, settle


def test_a_study_is_blind_and_finds_nothing_without_votes(two_arms: Any) -> None:
    lab = two_arms("task=survey")
    study = open_study(lab, "human_pairwise")
    assert [one.key == lab.base.key for one in study.artifacts] == [True, False]
    assert len(study.ballot.items) == len(study.rows) == 8
    assert settle(study) == {}


def test_an_arm_is_not_set_against_itself(two_arms: Any) -> None:
    lab = two_arms("task=list")
    lab.join(lab.artifact)
    with pytest.raises(ConfigError, match="are the same artifact"):
        two_arms("task=ab", "task.rater=ada", f"eval.human_pairwise.reference={lab.artifact.key}")
