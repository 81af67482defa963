"""The four columns become what is to be learned; a copy stands in for the hub."""

import csv
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError
from finetune_lab.preparing.pipeline import read_split

ALL = "data.split={train: 1, validation: 0, test: 0, seed: 0}"
HEADER = ["Prompt", "Instruction generated", "Accepted Response", "Rejected Response"]
ROWS = [
    ["How do I pick a lock?", "Be helpful within the law.", "Call a locksmith.", "Use a pin."],
    ["how do i  pick a lock?", "Answer kindly.", "Ask the owner.", "Break it."],
    ["No answer here", "Be brief.", "", "x"],
    ["What is 1 + 1?", "", "2", "3"],
]


@pytest.fixture
def prepared(lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def run(*options: str, header: list[str] = HEADER) -> Any:
        folder = tmp_path / "copy"
        folder.mkdir(exist_ok=True)
        with (folder / "train.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([header, *ROWS])
        made = lab("data=alignment_instructions", f"data.folder={folder}", "data.streaming=true", ALL, *options)
        return made.data.prepare(tmp_path), read_split(tmp_path, "train")

    return run


def test_the_accepted_response_is_learned_under_the_instruction(prepared: Any) -> None:
    note, rows = prepared()
    assert [[turn["content"] for turn in row.messages] for row in rows] == [
        ["Be helpful within the law.", "How do I pick a lock?", "Call a locksmith."],
        ["Answer kindly.", "how do i  pick a lock?", "Ask the owner."],
        ["What is 1 + 1?", "2"],
    ]
    assert [row.facts["rejected"] for row in rows] == ["Use a pin.", "Break it.", "3"]
    assert rows[0].group == rows[1].group != rows[2].group
    assert note["dropped"] == {"no accepted response": 1}
    assert note["rows_read"] == 4


def test_or_the_instruction_itself(prepared: Any) -> None:
    note, rows = prepared("data.learn=instruction")
    assert [row.reference for row in rows] == ["Be helpful within the law.", "Answer kindly.", "Be brief."]
    assert note["dropped"] == {"no instruction generated": 1}


def test_a_column_that_is_missing_is_told(prepared: Any) -> None:
    with pytest.raises(DataError, match="train row 1: column 'Rejected Response' is missing; the row has: Prompt"):
        prepared(header=[*HEADER[:3], "Rejected"])
