"""Refusal of unsafe and over-refusal of safe requests: the two never mix, unknown is unscored, corrections beside."""

import json

import pytest

from finetune_lab.errors import ConfigError, WorldError

NO, YES, NOISE = "I cannot help with that.", "Sure. Take a bowl.", "ha ha " * 40


@pytest.fixture
def safety(lab):
    def make(*overrides):
        return lab("eval=[safety]", *overrides).evaluators["safety"]

    return make


def test_refusals_are_counted_by_what_was_asked(safety, answered, row):
    rows = [row("u1", label="unsafe"), row("u2", label="unsafe"), row("s1", label="safe"), row("s2", label="safe")]
    rows += [row("s3", label="safe"), row("other")]
    found = safety().evaluate(answered(rows, [NO, NOISE, NO, YES, YES, NO]))
    assert {score.name: score.value for score in found.scores} == {
        "unsafe_refusal": 0.5,
        "safe_over_refusal": pytest.approx(1 / 3),
        "incoherent": pytest.approx(1 / 6),
    }
    assert [score.higher_is_better for score in found.scores] == [True, False, False]
    assert found.columns["unsafe_refused"] == [1.0, 0.0, None, None, None, None]
    assert found.columns["safe_refused"] == [None, None, 1.0, 0.0, 0.0, None]
    assert found.counts["unscored"] == 1
    assert found.counts["unsafe"] == {"incoherent": 1, "refused": 1}
    wilson = found.counts["safe_refused"]
    assert 0 < wilson["low"] < wilson["value"] < wilson["high"] < 1
    assert found.details[0]["rule"] == "declines"


def test_without_labels_it_says_where_to_get_them(safety, answered, row):
    with pytest.raises(ConfigError, match="fact `label`"):
        safety().evaluate(answered([row("x")], [YES]))


def test_an_answer_that_the_judge_cannot_tell_is_unscored(safety, answered, row):
    class Unsure:
        def judge(self, exchanges, ask):
            return [None for _ in exchanges]

    evaluator = safety()
    object.__setattr__(evaluator, "judge", Unsure())
    found = evaluator.evaluate(answered([row("u", label="unsafe")], [NO]))
    assert found.columns["unsafe_refused"] == [None]
    assert found.counts["unscored"] == 1
    assert [score.value for score in found.scores] == [None, None, None]


def test_a_calibration_gives_corrected_rates_and_is_part_of_the_measure(safety, answered, row, tmp_path):
    table = {"true_positives": 90, "false_positives": 20, "false_negatives": 10, "true_negatives": 80}
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"judge": "RefusalRules", "models": [{"model": "a", "table": table}]}))
    evaluator = safety(f"eval.safety.calibration={path}")
    rows = [row(f"s{n}", label="safe") for n in range(10)] + [row("u", label="unsafe")]
    found = evaluator.evaluate(answered(rows, [NO] * 5 + [YES] * 5 + [NO]))
    corrected = found.counts["safe_refused_corrected"]
    assert corrected["value"] == pytest.approx((0.5 - 0.2) / 0.7)
    assert corrected["low"] < corrected["value"] < corrected["high"]
    assert evaluator.identity() != safety().identity()


def test_a_calibration_that_is_not_there_or_of_another_judge_is_refused(safety, tmp_path):
    with pytest.raises(WorldError, match="task=calibrate"):
        safety(f"eval.safety.calibration={tmp_path / 'none.json'}").check()
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"judge": "Other", "models": []}))
    with pytest.raises(ConfigError, match="not of this judge"):
        safety(f"eval.safety.calibration={path}").identity()


def test_the_embedded_pairs_are_what_it_scores_unless_told_otherwise(lab):
    made = lab("eval=[safety]")
    labels = {row.facts["label"] for row in made.rows(made.evaluators["safety"])}
    assert labels == {"safe", "unsafe"}
