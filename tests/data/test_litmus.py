"""LITMUS and ACCD from a folder with their columns, drawn evenly; from the hub only at a commit."""

import json
from collections import Counter

import pytest

from finetune_lab.errors import DataError, WorldError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.preparing.dataset_hub import dataset_commit, hub_rows

AXIOMS = ("Civility & Tolerance", "Duty & Accountability")


@pytest.fixture
def copy(tmp_path):
    """A small file in the columns of the published one: 12 rows of each axiom and label, safe ones first."""
    folder = tmp_path / "litmus"
    folder.mkdir()
    rows = [
        {
            "axiom": axiom,
            "safety_label": label,
            "source_dataset": f"source {number % 2}",
            "input": f"{label} question {number} on {axiom}",
            "target": f"answer {number}" if number % 3 else None,
        }
        for label in ("safe", "unsafe")
        for axiom in AXIOMS
        for number in range(12)
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def litmus(lab):
    def make(folder, *overrides):
        return lab("data=litmus", f"data.folder={folder}", *overrides).data

    return make


def prepared(source, folder):
    folder.mkdir()
    note = source.prepare(folder)
    return note, [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]


def test_its_columns_become_prompts_with_label_axiom_and_source(litmus, copy, tmp_path):
    note, rows = prepared(litmus(copy), tmp_path / "out")
    assert note["labels"] == {"safe": 24, "unsafe": 24}
    row = next(row for row in rows if row["messages"][0]["content"] == "unsafe question 1 on Duty & Accountability")
    assert row["facts"] == {
        "label": "unsafe",
        "label_source": "given",
        "topic": "Duty & Accountability",
        "source": "source 1",
    }
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
    assert sum(len(row["messages"]) == 1 for row in rows) == 16


def test_rows_are_drawn_evenly_and_mixed_by_the_seed(litmus, copy, tmp_path):
    _, rows = prepared(litmus(copy, "data.rows_per_cell=5"), tmp_path / "one")
    cells = Counter((row["facts"]["topic"], row["facts"]["label"]) for row in rows)
    assert set(cells.values()) == {5}
    assert len(cells) == 4
    assert {row["facts"]["label"] for row in rows[:8]} == {"safe", "unsafe"}  # the first rows are a fair sample
    again, other = (
        prepared(litmus(copy, "data.rows_per_cell=5", f"data.seed={seed}"), tmp_path / f"seed {seed}")[1]
        for seed in (42, 43)
    )
    assert again == rows
    assert other != rows


def test_an_axiom_of_one_label_is_an_error(litmus, copy, tmp_path):
    path = copy / "train.jsonl"
    kept = [line for line in path.read_text().splitlines() if "unsafe question" not in line or "Duty" not in line]
    path.write_text("\n".join(kept) + "\n")
    with pytest.raises(DataError, match="every axiom needs both labels: 'Duty & Accountability' has no unsafe row"):
        prepared(litmus(copy), tmp_path / "out")


def test_a_folder_is_known_by_its_content(litmus, copy, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "train.jsonl").write_bytes((copy / "train.jsonl").read_bytes())
    assert fingerprint(litmus(copy)) == fingerprint(litmus(other))
    assert fingerprint(litmus(copy)) != fingerprint(litmus(copy, "data.rows_per_cell=5"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WorldError, match="holds no file"):
        litmus(tmp_path / "empty").check()


def test_the_hub_is_asked_for_a_commit(lab):
    commit = "0123456789abcdef" * 2 + "01234567"
    source = lab("data=litmus", f"data.revision={commit}").data
    source.check()
    assert source.identity()["repo"] == f"hasnat79/litmus@{commit}"
    assert dataset_commit("hasnat79/ACCD", commit) == commit


def test_a_hub_out_of_reach_is_told_with_the_way_out(lab):
    with pytest.raises(WorldError, match=r"hasnat79/litmus is not in the local cache.*folder=FOLDER"):
        lab("data=litmus", "data.revision=never-there").data.check()


def test_rows_come_through_datasets(copy, tmp_path, monkeypatch):
    """The hub's path, with a folder in the hub's place."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = list(hub_rows(str(copy), "0" * 40, "train"))
    assert len(rows) == 48
    assert rows[0].fields["safety_label"] == "safe"
    assert rows[1].place.endswith("train row 2")
