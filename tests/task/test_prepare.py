"""Preparing writes splits, drops and card; the tracker gets the card once, and nothing of the rows."""

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import WorldError

ROWS = [{"question": f"q{n}", "answer": "a" * n} for n in range(60)]


@pytest.fixture
def prepare(lab: Any, recorder: Any, tmp_path: Path) -> Any:
    from finetune_lab.task.prepare import Prepare

    def run(content: str, folder: str = "outputs", name: str = "rows.jsonl") -> Any:
        path = tmp_path / name
        path.write_text(content)
        line = ["data=jsonl", f"data.path={path}", "data.unanswered=drop", "filter@data.filters=[length]"]
        own = ["data.filters.length.least=5", "data.split={train: 0.6, validation: 0.2, test: 0.2, seed: 0}"]
        made = replace(lab(*line, *own, outputs=tmp_path / folder), tracker=recorder)
        Prepare().execute(made)
        return made

    return run


CONTENT = "".join(json.dumps(row) + "\n" for row in ROWS)


def test_it_says_what_was_left_out_and_shows_the_card_once(prepare: Any, recorder: Any, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    made = prepare(CONTENT)
    assert "60 rows read as question_answer (60)" in caplog.text
    assert "1 no answer, 4 length: under 5 characters" in caplog.text
    assert str(made.data_folder / "data_card.md") in caplog.text
    (kept,) = [call for call in recorder.calls if call[0] == "files"]
    assert kept[1:3] == ("data-jsonl", "data_card")
    assert [path.name for path in kept[3]] == ["data_card.md", "lengths.svg"]
    card = next(call[1] for call in recorder.calls if call[0] == "session")
    assert card.key == f"data-{made.dataset['key']}"
    recorder.calls.clear()
    prepare(CONTENT)
    assert not [call for call in recorder.calls if call[0] == "session"]


def test_the_same_line_gives_the_same_digest_in_another_folder_and_a_byte_another(prepare: Any) -> None:
    one, two = prepare(CONTENT), prepare(CONTENT, "elsewhere", "copy.jsonl")
    other = prepare(CONTENT.replace("q7", "q8"), name="changed.jsonl")
    assert one.dataset["digest"] == two.dataset["digest"] != other.dataset["digest"]
    assert one.dataset["key"] == two.dataset["key"] != other.dataset["key"]
    for split in ("train", "validation", "test"):
        assert (one.data_folder / f"{split}.jsonl").read_bytes() == (two.data_folder / f"{split}.jsonl").read_bytes()


@pytest.mark.parametrize("task", ["prepare", "run"])
def test_a_package_that_a_filter_lacks_is_told_before_anything_is_read(
    task: str, execute: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "glin_profanity", None)
    with pytest.raises(WorldError, match=r"filter profanity needs glin_profanity .*pip install 'finetune-lab\[data\]'"):
        execute(f"task={task}", "filter@data.filters=[profanity]")
    assert not (tmp_path / "outputs" / "data").exists()
