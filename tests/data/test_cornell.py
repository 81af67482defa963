"""The two raw files become dialogues; films stay together, and what is missing is counted."""

from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError, WorldError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.preparing.pipeline import read_split

ALL = "data.split={train: 1, validation: 0, test: 0, seed: 0}"
SAID = {"L1": "Caf\u00e9?", "L2": "No.", "L3": "Tea?", "L4": "Yes, two.", "L5": "", "L6": "Hm."}
TALKS = [("m0", ["L1", "L2", "L3"]), ("m0", ["L3", "L4"]), ("m1", ["L4", "L5"]), ("m1", ["L6"]), ("m1", ["L1", "L9"])]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def files(name: str, encoding: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        lines = [f"{key} +++$+++ u0 +++$+++ m0 +++$+++ BOB +++$+++ {text}" for key, text in SAID.items()]
        talks = [f"u0 +++$+++ u2 +++$+++ {film} +++$+++ {names}" for film, names in TALKS]
        (folder / "movie_lines.txt").write_bytes("\n".join([*lines, ""]).encode(encoding))
        (folder / "movie_conversations.txt").write_bytes("\n".join([*talks, ""]).encode(encoding))
        return folder

    return files


def prepared(source: Any, folder: Path) -> tuple[dict[str, Any], list[Any]]:
    folder.mkdir()
    note = source.prepare(folder)
    return note, list(read_split(folder, "train"))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_pairs_of_a_line_and_its_answer(encoding: str, write: Any, lab: Any, tmp_path: Path) -> None:
    source = lab("data=cornell", f"data.folder={write('raw', encoding)}", ALL).data
    note, rows = prepared(source, tmp_path / "out")
    assert [[turn["content"] for turn in row.messages] for row in rows] == [
        *(["Caf\u00e9?", "No."], ["No.", "Tea?"], ["Tea?", "Yes, two."])
    ]
    assert {row.messages[0]["role"] for row in rows} == {"user"}
    assert len({row.group for row in rows}) == 1  # one film
    assert note["dropped"] == {"an empty line": 1, "no answer": 1, "a line is missing": 1}
    assert note["rows_read"] == 6


def test_whole_dialogues_end_with_an_answer(write: Any, lab: Any, tmp_path: Path) -> None:
    line = [
        "data=cornell",
        f"data.folder={write('raw', 'utf-8')}",
        ALL,
        "data.exchange=whole",
        "data.together=dialogue",
    ]
    note, rows = prepared(lab(*line).data, tmp_path / "out")
    assert [len(row.messages) for row in rows] == [2, 2]
    assert all(row.messages[-1]["role"] == "assistant" for row in rows)
    assert len({row.group for row in rows}) == 2
    assert note["rows_read"] == 5 == len(rows) + sum(note["dropped"].values())


def test_it_is_known_by_its_content(write: Any, lab: Any) -> None:
    here, there = (lab("data=cornell", f"data.folder={write(name, 'utf-8')}").data for name in ("a", "b"))
    other = lab("data=cornell", f"data.folder={write('c', 'latin-1')}").data
    assert fingerprint(here) == fingerprint(there) != fingerprint(other)


def test_broken_files_are_told(write: Any, lab: Any, tmp_path: Path) -> None:
    folder = write("raw", "utf-8")
    source = lab("data=cornell", f"data.folder={folder}").data
    (folder / "movie_lines.txt").write_text("L1 +++$+++ u0 +++$+++ m0\n")
    with pytest.raises(
        DataError, match=r"movie_lines\.txt, line 1: 5 fields between \+\+\+\$\+\+\+ are due, there are 3"
    ):
        source.prepare(tmp_path)
    (folder / "movie_lines.txt").unlink()
    with pytest.raises(WorldError, match=r"there is no movie_lines\.txt in"):
        source.check()
