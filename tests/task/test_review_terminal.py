"""The conversation at the terminal: what a row cannot do to it, and lines that end in the middle."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from finetune_lab.preparing.decisions import read_decisions
from finetune_lab.preparing.review_queue import ReviewQueue
from finetune_lab.records import Sample
from finetune_lab.task.review_terminal import converse


def test_a_row_cannot_do_anything_to_the_terminal(tmp_path: Path) -> None:
    hostile = "\x1b[2J\x1b]0;title\x07 [bold]markup[/] \u202egnp.exe \r hidden [/nothing]"
    row = Sample.of(messages=[{"role": "user", "content": hostile}], facts={"[red]": hostile})
    path, shown = tmp_path / "d.jsonl", StringIO()
    queue = ReviewQueue(rows=[row], decisions=path, reviewer="ada", twice=0, label="label", labels=())
    converse(queue, StringIO("k\n"), Console(file=shown, width=200, highlight=False, emoji=False))
    assert not set(shown.getvalue()) & {"\x1b", "\x07", "\r", "\u202e"}
    assert "[bold]markup[/]" in shown.getvalue()
    assert "\\x1b[2J" in shown.getvalue()


def test_lines_that_end_in_the_middle_of_an_edit_keep_what_was_written(tmp_path: Path) -> None:
    row, shown = Sample.of(text="as it was"), StringIO()
    queue = ReviewQueue(rows=[row], decisions=tmp_path / "d.jsonl", reviewer="ada", twice=0, label="label", labels=())
    converse(queue, StringIO("edit\nas it\nshould be"), Console(file=shown, width=80))
    assert [one.text for one in read_decisions(tmp_path / "d.jsonl")] == ["as it\nshould be"]
    assert "nothing is left to review" in shown.getvalue()
