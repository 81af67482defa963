"""Rubrics through a real server: expectation over probabilities, draws, limits, wordings, and what is counted."""

import re

import pytest

from finetune_lab.errors import ConfigError

QUALITY = re.compile(r"one quality: (\w[\w ]*)\.|quality is (\w[\w ]*):")


def mark(text):
    """4 for helpfulness, 2 for all else, one less where the answer is bad."""
    names = QUALITY.search(text)
    quality = names[1] or names[2]
    return f"It is so.\nScore: {(4 if quality == 'helpfulness' else 2) - ('bad' in text)}"


@pytest.fixture
def rubric(lab, answered):
    def make(server, rows, texts, *overrides):
        main = "eval.judge_rubric.judges.main"
        line = ["eval=[judge_rubric]", f"{main}.model=planted", f"{main}.endpoint={server.url}/v1"]
        made = lab(*line, f"{main}.api_key_env=null", *overrides)
        evaluator = made.evaluators["judge_rubric"]
        evaluator.check()
        return evaluator.evaluate(answered(rows, texts, ask=made.ask))

    return make


def test_scores_are_expectations_over_the_score_s_token(judge_server, rubric, row):
    with judge_server(answer=mark) as server:  # it gives 3/4 to what it writes and 1/4 to one less
        found = rubric(server, [row("a"), row("b")], ["fine", "bad"])
        assert sum(server.asked.values()) == 6
    assert found.columns["helpfulness"] == [pytest.approx(3.75), pytest.approx(2.75)]
    assert found.columns["honesty"][0] == pytest.approx(1.75)
    assert found.columns["honesty"][1] == pytest.approx(1.0)  # one less would lie outside the scale
    assert found.columns["overall"][0] == pytest.approx((3.75 + 1.75 + 1.75) / 3)
    assert {score.name for score in found.scores} == {"overall", "helpfulness", "instruction_following", "honesty"}
    assert found.counts["weighed_by_probability"] == 6
    assert found.counts["judges"]["main"]["asked"] == 6


def test_without_probabilities_the_written_score_stands(judge_server, rubric, row):
    with judge_server(answer=mark) as server:
        found = rubric(server, [row("a")], ["fine"], "eval.judge_rubric.judges.main.top_logprobs=0")
    assert found.columns["helpfulness"] == [4.0]
    assert found.counts["as_written"] == 3


def test_draws_are_asked_one_by_one_and_averaged(judge_server, rubric, row):
    drawn = iter([2, 4, 3, 5] * 3)
    warm = ["eval.judge_rubric.judges.main.temperature=1.0", "eval.judge_rubric.judges.main.top_logprobs=0"]
    with judge_server(answer=lambda _: f"Score: {next(drawn)}") as server:
        found = rubric(
            server, [row("a")], ["fine"], *warm, "eval.judge_rubric.samples=4", "runtime.judges.concurrency=1"
        )
        assert sorted(server.asked.values()) == [4, 4, 4]
    assert found.columns["helpfulness"] == [3.5]
    with judge_server() as server, pytest.raises(ConfigError, match="temperature 0 are one and the same"):
        rubric(server, [row("a")], ["fine"], "eval.judge_rubric.samples=4")


def test_what_has_no_score_is_counted_and_beyond_the_limit_that_quality_has_none(judge_server, rubric, row):
    def shy(text):
        return "I would rather not." if "is honesty" in text or "quality: honesty" in text else mark(text)

    with judge_server(answer=shy) as server:
        found = rubric(server, [row("a"), row("b")], ["fine", "bad"])
    values = {score.name: score.value for score in found.scores}
    assert values["honesty"] is None
    assert values["overall"] is None
    assert values["helpfulness"] == pytest.approx(3.25)
    assert found.counts["unscored"]["honesty"] == 2
    assert found.counts["reasons"] == {"no score in the answer": 2}
    assert len(found.counts["notes"]) == 2


def test_the_scale_is_the_config_s(judge_server, rubric, row):
    with judge_server(answer=lambda _: "Score: 8") as server:
        found = rubric(
            server, [row("a")], ["x"], "eval.judge_rubric.high=10", "criteria@eval.judge_rubric.criteria=tweets"
        )
        text = next(iter(server.asked))
    assert found.columns["wit"] == [pytest.approx(7.75)]
    assert "from 1 (not at all) to 10" in text
    assert "reply to a tweet" in text
    with judge_server() as server, pytest.raises(ConfigError, match="must rise"):
        rubric(server, [row("a")], ["x"], "eval.judge_rubric.high=1")


def test_two_wordings_tell_how_much_they_move_the_scores(judge_server, rubric, row):
    def strict(text):
        plain = mark(text)
        return plain if text.startswith("Rate") else plain.replace("Score: 4", "Score: 3")

    rows = [row(f"q{n}") for n in range(6)]
    extra = ["eval.judge_rubric.wordings=[plain,panel]", "eval.judge_rubric.judges.main.top_logprobs=0"]
    with judge_server(answer=strict) as server:
        found = rubric(server, rows, ["fine"] * 6, *extra)
    moved = found.counts["wording_effect"]["main/plain → panel"]
    assert moved["value"] == pytest.approx(-1 / 3)
    assert moved["changed"] == pytest.approx(1 / 3)
    assert found.columns["helpfulness"] == [3.5] * 6


def test_the_steps_are_part_of_the_measure(lab):
    def identity(*overrides):
        line = ["eval=[judge_rubric]", "eval.judge_rubric.judges.main.model=planted", *overrides]
        return lab(*line).evaluators["judge_rubric"].identity()

    assert identity("runtime.judges.tries=2") == identity()
    assert identity("eval.judge_rubric.criteria.criteria.honesty.steps=[Look.]") != identity()
    assert identity("eval.judge_rubric.high=10") != identity()
