"""Prompt suites: fixed bytes, rows for any evaluator, and no row of the training data among them."""

import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from finetune_lab.data.suite import ASSETS, Suite
from finetune_lab.errors import ConfigError
from finetune_lab.protocols import Subject
from finetune_lab.records import Answer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from scripts.make_suites import make

# what a version holds never changes: other prompts are a new version
DIGESTS = {
    "dialogue-1": "7386c945d445edf8",
    "instruction-1": "61f25f09c6ca1cf5",
    "pocketguide-1": "1fbce4fce7eba348",
}
SIZES = {"dialogue": 10, "instruction": 20, "pocketguide": 20}


def test_the_suites_are_what_they_were():
    found = {path.stem: sha256(path.read_bytes()).hexdigest()[:16] for path in ASSETS.glob("*.jsonl")}
    assert found == DIGESTS


@pytest.mark.parametrize("name", SIZES)
def test_every_row_is_in_the_split_test_and_ends_with_a_question(tmp_path, name):
    note = Suite(name=name, version=1).prepare(tmp_path)
    assert {split: entry["rows"] for split, entry in note["splits"].items()} == {
        "train": 0,
        "validation": 0,
        "test": SIZES[name],
    }
    rows = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    assert len({row["id"] for row in rows}) == SIZES[name]
    for row in rows:
        due = "assistant" if name == "pocketguide" else "user"
        assert row["messages"][-1]["role"] == due
        assert row["facts"]


def test_the_requests_of_the_embedded_task_are_current_new_and_valid(lab, tmp_path):
    assert (ASSETS / "pocketguide-1.jsonl").read_text() == make()
    rows_path = ASSETS.parent / "pocketguide" / "rows.jsonl"
    known = {json.loads(line)["messages"][0]["content"] for line in rows_path.read_text().splitlines()}
    made = lab("+data@eval.schema.rows.data=suite", "eval.schema.rows.data.name=pocketguide")
    rows = made.rows(made.evaluators["schema"])
    assert not known & {row.prompt[0]["content"] for row in rows}
    answers = tuple(
        Answer(sample=row.id, text=row.reference, num_prompt_tokens=1, num_tokens=1, finish="end") for row in rows
    )
    subject = Subject(
        artifact=made.base,
        rows=rows,
        folder=tmp_path,
        model=lambda: None,
        answers=lambda decoding: answers,
        evaluation=lambda name: tmp_path,
    )
    found = made.evaluators["schema"].evaluate(subject)
    assert found.scores[0].value == 1.0


def test_any_evaluator_can_score_a_suite(lab):
    made = lab("eval=[safety]", "data@eval.safety.rows.data=suite")
    assert made.rows(made.evaluators["safety"])[0].facts["probe"] == "memory"


def test_a_suite_that_there_is_not_is_named():
    with pytest.raises(ConfigError, match=r"no song-1; there are: dialogue-1, instruction-1, pocketguide-1"):
        Suite(name="song", version=1).check()
