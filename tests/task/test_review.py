"""task=review at the terminal: lines in a pipe, a real terminal, two reviewers, mistakes."""

import json
import os
import signal
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import ConfigError
from finetune_lab.preparing.decisions import read_decisions

ALL_TRAIN = "data.split={train: 1, validation: 0, test: 0, seed: 0}"


@pytest.fixture
def rows(tmp_path: Path) -> list[str]:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"question": f"q{n}", "answer": f"a{n}", "label": "x"}) + "\n" for n in range(6))
    )
    return ["data=jsonl", f"data.path={path}", "data.facts=[label]", ALL_TRAIN]


@pytest.fixture
def review(execute: Any, rows: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(typed: str, *options: str, reviewer: str = "ada") -> Any:
        monkeypatch.setattr(sys, "stdin", StringIO(typed))
        own = ["task=review", f"task.reviewer={reviewer}", f"task.decisions={tmp_path / 'd.jsonl'}", "task.twice=0"]
        return execute(*rows, *own, *options)

    return run


def test_letters_and_words_from_a_pipe(review: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    review("k\ndrop\ne\nbetter\nlines\n.\nr\ny\nq\n")
    found = read_decisions(tmp_path / "d.jsonl")
    assert [one.outcome for one in found] == [
        *(("keep", None, None), ("drop", None, None), ("edit", "better\nlines", None), ("relabel", None, "y"))
    ]
    shown = capsys.readouterr().out
    assert "4 of 6 rows done; by ada: drop 1, edit 1, keep 1, relabel 1" in shown


def test_a_review_goes_on_and_a_word_can_be_taken_back(review: Any, tmp_path: Path) -> None:
    review("k\n")  # the lines end: nothing is lost
    review("x\nb\nd\ns\nk\nk\nk\nk\nk\n")
    found = read_decisions(tmp_path / "d.jsonl")
    assert found[0].row == found[1].row
    assert [one.decision for one in found] == ["keep", "drop", *["keep"] * 5]
    assert found[-1].row == found[2].row or len({one.row for one in found}) == 6


def test_what_makes_no_sense_is_asked_again(review: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    review("e\na0\n.\nr\nz\nk\nq\n", "task.labels=[x,y]")
    assert [one.decision for one in read_decisions(tmp_path / "d.jsonl")] == ["keep"]
    assert "unknown label 'z'; known: x, y" in capsys.readouterr().out


def test_two_reviewers_and_their_agreement(review: Any, capsys: pytest.CaptureFixture[str]) -> None:
    review("k\nk\nk\nd\nd\nd\n", "task.twice=1")
    capsys.readouterr()
    review("k\nk\nd\nd\nd\nd\n", "task.twice=1", reviewer="bob")
    assert "agreement of ada and bob on 6 rows: 83%, κ 0.67" in capsys.readouterr().out


def test_at_a_real_terminal(rows: list[str], tmp_path: Path, root: Path) -> None:
    """A pseudo-terminal, as a person has it: prompts are seen, letters answer them, Ctrl-C keeps what was said."""
    pexpect = pytest.importorskip("pexpect", reason="pip install .[dev]")
    decisions = tmp_path / "d.jsonl"
    own = [*rows, "task=review", "task.reviewer=ada", f"task.decisions={decisions}", f"outputs={tmp_path / 'out'}"]
    environment = os.environ | {"TERM": "xterm", "PYTHONPATH": str(root)}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "finetune_lab", *own, "tracker=none"],
        env=environment,
        encoding="utf-8",
        timeout=240,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell's children ignore it
    )
    child.expect_exact("[q]uit > ")
    assert "q0" in child.before
    child.sendline("k")
    child.expect("1 of 6 done")
    child.expect_exact("[q]uit > ")
    child.sendline("d")
    child.expect("2 of 6 done")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert [one.decision for one in read_decisions(decisions)] == ["keep", "drop"]
    assert "Traceback" not in child.before


def test_mistakes(review: Any, execute: Any, rows: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"task\.reviewer: needs a value"):
        execute(*rows, "task=review")
    with pytest.raises(ConfigError, match="test has no rows"):
        review("", "task.split=test")
