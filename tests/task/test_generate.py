"""Answers to a file of prompts or to a suite, of base and tuned."""

import json

import pytest

from finetune_lab.errors import DataError, WorldError

LINE = ("method=adapter", "eval=[]", "task=generate", "decoding.max_new_tokens=12", "runtime.device=cpu")
LINE += ("model.quantization=none", "data.max_rows=20")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def line(execute, outputs, drawn_adapter):
    own = (*LINE, f"method.path={drawn_adapter}")
    execute(*own, "task=train", outputs=outputs)
    return lambda *overrides: execute(*own, *overrides, outputs=outputs)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_text_of_prompts_is_answered_by_both_models(line, tmp_path):
    prompts, answers = tmp_path / "prompts.txt", tmp_path / "below" / "answers.jsonl"
    prompts.write_text("Hello there.\n\nWhat is a lantern?\n")
    line(f"task.prompts={prompts}", f"task.output={answers}", "task.which=both")
    rows = read(answers)
    assert [(row["model"], row["messages"][-1]["content"]) for row in rows] == [
        (model, asked) for model in ("base", "adapter") for asked in ("Hello there.", "What is a lantern?")
    ]
    assert all(row["num_tokens"] <= 12 and row["answer"] for row in rows)
    assert rows[0]["answer"] != rows[2]["answer"]


def test_a_suite_is_answered_and_a_second_time_loads_no_model(line, outputs):
    asked = ("+data@task.rows.data=suite", "task.rows.data.name=pocketguide", "task.rows.max_rows=2")
    lab = line(*asked)
    (answers,) = (outputs / "generated").glob("*.jsonl")
    assert len(read(answers)) == 2
    again = line(*asked)
    assert "language_model" in vars(lab)
    assert "language_model" not in vars(again)


def test_files_that_hold_no_prompts_are_told(line, tmp_path):
    with pytest.raises(WorldError, match="there is no file"):
        line(f"task.prompts={tmp_path / 'missing.txt'}")
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "plain.jsonl").write_text('{"text": "a document and no question"}\n')
    for name, told in (("empty.txt", "the file is empty"), ("plain.jsonl", "holds no prompts")):
        with pytest.raises(DataError, match=told):
            line(f"task.prompts={tmp_path / name}")


def test_nothing_trained_is_said(execute, tmp_path):
    with pytest.raises(WorldError, match="task=run first"):
        execute("task=generate", "method=lora", "model.quantization=none", outputs=tmp_path)
