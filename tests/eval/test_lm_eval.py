"""lm-evaluation-harness over the loaded model: every document kept, and statistics that give its numbers again."""

import json
import logging
import math

import pytest

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.records import Tokens

pytest.importorskip("lm_eval")

CHOICE = """
task: little_choice
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/choice.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{label}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
ROLLING = """
task: little_text
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/text.jsonl}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list:
  - {metric: word_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
  - {metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}
"""
WRITTEN = """
task: little_answer
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/choice.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{choices[label]}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 4, do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


@pytest.fixture
def folder(tmp_path):
    """Three small tasks with their documents."""
    place = tmp_path / "tasks"
    place.mkdir()
    documents = [
        {"question": f"We have {word} and", "choices": ["like it", "green spoon"], "label": label}
        for word, label in (("one day", 0), ("two days", 1), ("a map", 0))
    ]
    (place / "choice.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents))
    texts = [{"text": "We stay 3 days."}, {"text": "Make a packing list for a fair day near Harrow."}]
    (place / "text.jsonl").write_text("".join(json.dumps(one) + "\n" for one in texts))
    for name, text in (("choice", CHOICE), ("text", ROLLING), ("answer", WRITTEN)):
        (place / f"{name}.yaml").write_text(text.replace("FOLDER", str(place)))
    return place


@pytest.fixture
def scored(lab, folder):
    """The evaluation of these tasks on the embedded model, and the lab."""

    def make(tasks: str, *overrides):
        own = ["eval=[lm_eval]", f"eval.lm_eval.folder={folder}", f"eval.lm_eval.tasks=[{tasks}]"]
        made = lab("model.quantization=none", "runtime.device=cpu", *own, *overrides)
        return made.evaluate(made.base)["lm_eval"], made

    return make


def likelier(engine, question: str, choices: list[str]) -> int:
    """Which continuation the model thinks likelier, by our own scoring."""
    encoded = [engine.chat.tokenizer(question + " " + choice.strip())["input_ids"] for choice in choices]
    start = len(engine.chat.tokenizer(question)["input_ids"])
    rows = [
        Tokens(sample=str(n), ids=tuple(ids), targets=tuple(place >= start for place in range(len(ids))))
        for n, ids in enumerate(encoded)
    ]
    nats = [one.sum_nats for one in engine.nll(rows)]
    return nats.index(min(nats))


def test_choices_are_scored_and_every_document_is_kept(scored, folder):
    found, made = scored("little_choice")
    documents = [json.loads(line) for line in (folder / "choice.jsonl").read_text().splitlines()]
    engine = made.language_model
    due = [float(likelier(engine, one["question"], one["choices"]) == one["label"]) for one in documents]
    assert found.columns["little_choice/acc"] == due
    (score,) = found.scores
    assert (score.name, score.value) == ("little_choice/acc", pytest.approx(sum(due) / 3))
    rows = made.rows(made.evaluators["lm_eval"])
    assert found.samples == tuple(row.id for row in rows)
    assert found.details[1]["prompt"] == "We have two days and"


def test_perplexities_follow_from_their_columns(scored):
    found, _ = scored("little_text")
    scores = {score.name: score for score in found.scores}
    for score in scores.values():
        of, per = (sum(found.columns[name]) for name in (score.statistic.of, score.statistic.per))
        value = math.exp(of / per) if score.statistic.transform == "exp" else score.statistic.scale * of / per
        assert score.value == pytest.approx(value)
        assert not score.higher_is_better
    assert set(scores) == {"little_text/word_perplexity", "little_text/bits_per_byte"}


def test_several_tasks_stand_side_by_side_and_other_tasks_documents_are_unscored(scored):
    found, _ = scored("little_choice,little_answer")
    assert len(found.samples) == 6
    for name in ("little_choice/acc", "little_answer/exact_match"):
        assert sum(value is not None for value in found.columns[name]) == 3


def test_the_first_documents_alone(scored):
    found, _ = scored("little_choice", "eval.lm_eval.rows.max_rows=2")
    assert [detail["prompt"] for detail in found.details] == ["We have one day and", "We have two days and"]
    assert len(found.columns["little_choice/acc"]) == 2


def test_prompts_of_a_chat_are_written_by_the_models_template(scored):
    found, made = scored("little_answer", "eval.lm_eval.chat=true", "eval.lm_eval.rows.max_rows=1")
    asked = [{"role": "user", "content": "We have one day and"}]
    assert found.details[0]["prompt"] == made.language_model.chat.render(asked, answering=True)


def test_it_is_quiet_and_seeds_nothing(scored, capsys, caplog):
    import torch

    torch.manual_seed(5)
    before = torch.get_rng_state()
    with caplog.at_level(logging.INFO):
        scored("little_choice")
    assert torch.equal(torch.get_rng_state(), before)
    assert "Running" not in capsys.readouterr().err
    assert not [one for one in caplog.records if one.name.startswith("lm_eval")]


def test_the_measure_is_the_documents_and_how_they_are_asked(lab, folder):
    def measure(*overrides):
        own = ["eval=[lm_eval]", f"eval.lm_eval.folder={folder}", "eval.lm_eval.tasks=[little_choice]"]
        return lab(*own, *overrides).measures["lm_eval"]

    one = measure()
    assert measure("eval.lm_eval.batch_rows=1") == one
    assert measure("method=lora") == one
    assert measure("eval.lm_eval.num_fewshot=1") != one
    assert measure("eval.lm_eval.rows.max_rows=2") != one


def test_what_is_missing_is_named(lab, folder, monkeypatch):
    with pytest.raises(ConfigError, match="name at least one"):
        lab("eval=[lm_eval]").evaluators["lm_eval"].check()
    made = lab("eval=[lm_eval]", f"eval.lm_eval.folder={folder}", "eval.lm_eval.tasks=[little_song]")
    monkeypatch.setattr("finetune_lab.inference.harness.find_spec", lambda name: None)
    with pytest.raises(WorldError, match=r"finetune-lab\[lm_eval\]"):
        made.evaluators["lm_eval"].check()


@pytest.mark.slow
def test_a_task_that_there_is_not_is_named(lab, folder):
    made = lab("eval=[lm_eval]", f"eval.lm_eval.folder={folder}", "eval.lm_eval.tasks=[little_song]")
    with pytest.raises(ConfigError, match="no task little_song"):
        made.rows(made.evaluators["lm_eval"])
