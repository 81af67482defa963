"""Reviewed rows as data: what was decided holds, every row is counted, and reviewers who differ are not passed over."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError, WorldError
from finetune_lab.preparing.decisions import Decision, append_decision
from finetune_lab.preparing.pipeline import read_split

ALL_TRAIN = "data.split={train: 1, validation: 0, test: 0, seed: 0}"


@pytest.fixture
def line(tmp_path: Path) -> list[str]:
    """Six rows, and a file for decisions about them."""
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"question": f"q{n}", "answer": f"a{n}", "label": "x"}) + "\n" for n in range(6))
    )
    inner = [f"data.of.path={path}", "data.of.facts=[label]", ALL_TRAIN.replace("data.", "data.of.", 1)]
    return ["data=reviewed", *inner, f"data.decisions={tmp_path / 'd.jsonl'}", ALL_TRAIN]


@pytest.fixture
def decide(tmp_path: Path, lab: Any, line: list[str]) -> Any:
    """Decide about the row of a number: `decide(0, "keep")`."""
    (tmp_path / "d.jsonl").touch()
    (tmp_path / "inner").mkdir()
    lab(*line).data.of.prepare(tmp_path / "inner")
    rows = {row.reference: row.id for row in read_split(tmp_path / "inner", "train")}

    def say(number: int, kind: Any, reviewer: str = "ada", **more: str) -> None:
        name = rows[f"a{number}"]
        append_decision(tmp_path / "d.jsonl", Decision(row=name, decision=kind, reviewer=reviewer, time="now", **more))

    return say


def test_what_was_decided_holds_and_every_row_is_counted(
    lab: Any, line: list[str], decide: Any, tmp_path: Path
) -> None:
    decide(0, "keep")
    decide(1, "drop")
    decide(2, "edit", text="better")
    decide(3, "relabel", label="y")
    other = Decision(row="of something else", decision="keep", reviewer="ada", time="now")
    append_decision(tmp_path / "d.jsonl", other)
    (tmp_path / "x").mkdir()
    note = lab(*line).data.prepare(tmp_path / "x")
    kept = read_split(tmp_path / "x", "train")
    assert [(row.reference, row.facts["label"]) for row in kept] == [("a0", "x"), ("better", "x"), ("a3", "y")]
    assert note["dropped"] == {"dropped in review": 1, "not reviewed": 2}
    assert note["rows_read"] == 6
    assert note["decisions"] == {"keep": 1, "drop": 1, "edit": 1, "relabel": 1}
    assert note["decisions_about_other_rows"] == 1


def test_another_decision_is_other_data(lab: Any, line: list[str], decide: Any) -> None:
    decide(0, "keep")
    before = lab(*line).data_folder
    decide(1, "keep")
    assert lab(*line).data_folder != before
    assert len(lab(*line, "data.unreviewed=keep").split("train")) == 6


def test_reviewers_who_differ(lab: Any, line: list[str], decide: Any) -> None:
    decide(0, "keep")
    decide(0, "drop", "bob")
    decide(1, "keep")
    assert len(lab(*line).split("train")) == 1
    with pytest.raises(DataError, match=r"differ \(ada: keep, bob: drop\)"):
        lab(*line, "data.disagreement=error").split("train")
    assert len(lab(*line, "data.arbiter=ada").split("train")) == 2


def test_any_source_can_be_reviewed(lab: Any, tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").touch()
    made = lab("data=reviewed", "data@data.of=pocketguide", f"data.decisions={tmp_path / 'd.jsonl'}")
    assert type(made.data.of).__name__ == "Pocketguide"
    made.data.check()


def test_no_decisions_yet(lab: Any, line: list[str]) -> None:
    with pytest.raises(WorldError, match="task=review with the same data makes one"):
        lab(*line).data.check()
