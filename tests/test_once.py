"""A piece of work is done at most once, goes on from what a dead one left, and leaves nothing empty behind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.once import NOTE, once, read_note

RACER = """
import sys, time
from pathlib import Path
from finetune_lab.once import once

def make(folder):
    with (folder / "made.txt").open("a") as stream:
        stream.write("x")
    time.sleep(0.5)
    return {}

once(Path(sys.argv[1]), make)
"""


def test_work_is_done_once_and_fresh_work_is_put_beside(tmp_path: Path) -> None:
    made: list[int] = []

    def make(folder: Path) -> dict[str, Any]:
        made.append(len(made))
        return {"number": len(made)}

    folder = tmp_path / "work"
    assert [once(folder, make)["number"] for _ in range(3)] == [1, 1, 1]
    assert once(folder, make, fresh=True)["number"] == 2
    aside = json.loads((tmp_path / "work.1" / NOTE).read_text())
    assert aside["number"] == 1
    assert made == [0, 1]


def test_work_that_dies_leaves_what_it_had_begun_and_no_note(tmp_path: Path) -> None:
    folder = tmp_path / "work"

    def half(place: Path) -> dict[str, Any]:
        (place / "begun.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once(folder, half)
    assert read_note(folder) is None
    assert once(folder, lambda place: {"found": (place / "begun.txt").read_text()})["found"] == "half"


def test_work_that_fails_before_it_begins_leaves_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "work"

    def refuse(_: Path) -> dict[str, Any]:
        raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such file"):
        once(folder, refuse)
    assert not folder.exists()


def test_processes_that_want_the_same_make_it_once(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    racers = [subprocess.Popen([sys.executable, "-c", RACER, str(folder)]) for _ in range(3)]
    assert [racer.wait(60) for racer in racers] == [0, 0, 0]
    assert (folder / "made.txt").read_text() == "x"
