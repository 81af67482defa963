"""Texts beside references and among themselves: known values, what cannot be scored, scripts that ROUGE cannot read."""

import logging
from importlib.util import find_spec

import pytest

from finetune_lab.errors import WorldError

pytest.importorskip("rouge_score")
pytest.importorskip("sacrebleu")


@pytest.fixture
def text(lab):
    def make(*overrides):
        return lab("eval=[text]", *overrides).evaluators["text"]

    return make


def values(evaluation) -> dict:
    return {score.name: score.value for score in evaluation.scores}


def test_a_copy_is_perfect_and_a_stranger_is_nothing(text, answered, row):
    rows = [row("a", "the cat sat on the mat"), row("b", "the dog ran")]
    same = values(text().evaluate(answered(rows, ["the cat sat on the mat", "the dog ran"])))
    for name in ("rouge1", "rouge2", "rougeL", "chrf"):
        assert same[name] == pytest.approx(100)
    other = values(text().evaluate(answered(rows, ["zzz qqq", "xxx www"])))
    assert [other[name] for name in ("rouge1", "rougeL", "chrf")] == [0, 0, 0]


def test_rouge_and_chrf_are_those_of_their_packages(text, answered, row):
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import CHRF

    due, said = "Rain is falling on the old roofs", "The rains fall on an old roof"
    found = values(text().evaluate(answered([row("a", due)], [said])))
    rouge = RougeScorer(["rougeL"], use_stemmer=True).score(due, said)["rougeL"].fmeasure
    assert found["rougeL"] == pytest.approx(100 * rouge)
    assert found["chrf"] == pytest.approx(CHRF().sentence_score(said, [due]).score)


def test_a_row_without_a_reference_is_unscored_beside_references_alone(text, answered, row):
    found = text().evaluate(answered([row("a", "one two"), row("b")], ["one two", "three four"]))
    assert found.columns["rouge1"] == [1.0, None]
    assert found.columns["chrf"] == [1.0, None]
    assert found.columns["words"] == [2.0, 2.0]
    assert found.counts["without_reference"] == 1
    assert values(found)["rouge1"] == pytest.approx(100)


def test_length_and_stops(text, answered, row):
    found = text("eval.text.longer_is_better=true").evaluate(
        answered([row("a", "x"), row("b", "y")], ["one two three", ""], cut=[0])
    )
    assert values(found)["words"] == 1.5
    assert values(found)["ended_by_itself"] == 0.5
    assert found.counts["empty"] == 1
    assert next(score for score in found.scores if score.name == "words").higher_is_better


def test_distinct_brings_its_left_out_values(text, answered, row):
    found = text().evaluate(answered([row("a", "x"), row("b", "y")], ["red red", "red blue"]))
    assert values(found)["distinct_1"] == 0.5
    assert found.columns["distinct_1"] == [1.0, 0.5]
    assert next(score for score in found.scores if score.name == "distinct_1").statistic.kind == "jackknife"


def test_it_warns_of_scripts_that_rouge_cannot_read(text, answered, row, caplog):
    rows = [row("a", "Привет, как дела?"), row("b", "plain words"), row("c", "café au lait für Jürgen, né à Orléans")]
    with caplog.at_level(logging.WARNING):
        found = text().evaluate(answered(rows, [r.reference for r in rows]))
    assert "of 2 references" in caplog.text
    assert found.counts["rouge_drops"] == 2
    assert found.columns["rouge1"][0] is None  # nothing of it is left
    assert found.columns["chrf"][0] == 1.0


def test_what_is_switched_off_is_not_there(text, answered, row):
    made = text("eval.text.rouge=[]", "eval.text.chrf=false", "eval.text.self_bleu=null", "eval.text.distinct=[]")
    found = made.evaluate(answered([row("a", "x")], ["y"]))
    assert list(values(found)) == ["words", "ended_by_itself"]


def test_a_missing_package_is_told_with_its_remedy(text, monkeypatch):
    monkeypatch.setattr(
        "finetune_lab.eval.text.find_spec", lambda name: None if name == "sacrebleu" else find_spec(name)
    )
    with pytest.raises(WorldError, match=r"finetune-lab\[text\].*eval.text.chrf=false"):
        text().check()
    text("eval.text.chrf=false").check()
