"""Times of answers: which of them count, what has no rate, and that a measure belongs to its machine."""

import time

import pytest

from finetune_lab.checks.hardware import hardware
from finetune_lab.protocols import Subject
from finetune_lab.records import Artifact, Decoding

TOKEN_SECONDS, PROMPT_SECONDS = 0.002, 0.01


@pytest.fixture
def slow(fake_model):
    """A model that takes a known time for the prompt and for every token."""

    class Slow(fake_model):
        def generate(self, prompts, decoding):
            for answer in super().generate(prompts, decoding):
                written = answer.num_tokens + (answer.finish == "end")
                time.sleep(PROMPT_SECONDS + TOKEN_SECONDS * written)
                yield answer

    return Slow


def evaluate(evaluator, model, rows, folder):
    subject = Subject(
        artifact=Artifact(key="a", label="base"),
        rows=tuple(rows),
        folder=folder,
        model=lambda: model,
        answers=None,
        evaluation=None,
    )
    return evaluator.evaluate(subject)


def test_first_token_and_rate_are_those_of_the_model(lab, slow, row, tmp_path):
    evaluator = lab("eval=[latency]", "decoding.max_new_tokens=20").evaluators["latency"]
    model = slow(reply={"long": "x" * 50, "short": "ab"})
    found = evaluate(evaluator, model, [row("long"), row("short")], tmp_path)
    first, rate, whole, prompt = found.scores
    assert first.value == pytest.approx(1000 * (PROMPT_SECONDS + TOKEN_SECONDS), rel=0.5)
    assert rate.value == pytest.approx(1 / TOKEN_SECONDS, rel=0.5)
    assert whole.value == pytest.approx(1000 * (PROMPT_SECONDS + TOKEN_SECONDS * 11.5), rel=0.5)
    assert (prompt.value, prompt.higher_is_better) == ((8 + 9) / 2, False)
    assert found.columns["decoded_tokens"] == [19.0, 2.0]
    assert found.counts["first_token_ms"]["least"] <= found.counts["first_token_ms"]["median"]
    assert found.counts["of_machine"] == hardware()


def test_warm_up_and_repeats_are_as_many_as_asked(lab, fake_model, row, tmp_path):
    evaluator = lab("eval=[latency]", "eval.latency.repeats=2", "eval.latency.warm_up=3").evaluators["latency"]
    model, one = fake_model(), row("x")
    evaluate(evaluator, model, [one], tmp_path)
    assert len(model.asked) == 3 + 2 + 2


def test_an_answer_of_one_token_has_no_rate(lab, slow, row, tmp_path):
    evaluator = lab("eval=[latency]").evaluators["latency"]
    found = evaluate(evaluator, slow(reply={"x": ""}), [row("x")], tmp_path)
    assert found.columns["decoding_seconds"] == [None]
    assert found.scores[1].value is None
    assert found.counts["unscored"] == 1


def test_the_measure_belongs_to_the_machine(lab, monkeypatch):
    evaluator = lab("eval=[latency]").evaluators["latency"]
    here = evaluator.identity()
    monkeypatch.setattr("finetune_lab.eval.latency.hardware", lambda: "another one")
    assert evaluator.identity() != here
    assert evaluator.decoding == Decoding(max_new_tokens=512)
