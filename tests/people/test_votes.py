"""Votes on disk: nothing is lost, nothing counts twice, a torn line harms no other."""

import json
from multiprocessing import get_context
from pathlib import Path

import pytest

from finetune_lab.errors import DataError
from finetune_lab.people.votes import Vote, about, append_votes, digest_of, latest, read_votes


def vote(item: str, said: str = "left", rater: str = "ada") -> Vote:
    return Vote(item=item, shown=("a", "b"), said=said, rater=rater, time="t", seconds=1.0, source="terminal")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "votes.jsonl"
    assert read_votes(path) == []
    append_votes(path, [vote("1"), vote("2", rater="Zoë \x1b[2J")])
    assert [one.rater for one in read_votes(path)] == ["ada", "Zoë \x1b[2J"]


def test_a_torn_last_line_is_left_out_and_then_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    append_votes(path, [vote("1")])
    with path.open("a") as stream:
        stream.write('{"item": "2", "sh')
    assert [one.item for one in read_votes(path)] == ["1"]
    append_votes(path, [vote("3")])
    assert [one.item for one in read_votes(path)] == ["1", "3"]


def _many(path: Path, rater: str) -> None:
    for number in range(30):
        append_votes(path, [vote(str(number), rater=rater)])


def test_raters_in_several_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    workers = [get_context("fork").Process(target=_many, args=(path, name)) for name in ("ada", "bob")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(latest(read_votes(path))) == len(read_votes(path)) == 60


def test_the_last_word_counts_once() -> None:
    said = [vote("1", "left"), vote("2"), vote("1", "tie"), vote("1", "left", "bob")]
    assert {key: one.said for key, one in latest(said).items()} == {
        ("1", "ada"): "tie",
        ("2", "ada"): "left",
        ("1", "bob"): "left",
    }
    assert set(about(said, {"2"})) == {("2", "ada")}
    assert digest_of(said) == digest_of(reversed(said)) != digest_of(said[1:])


@pytest.mark.parametrize(
    ("change", "message"),
    [({"said": 3}, "should be text"), ({"shown": "ab"}, "should be text"), ({"shown": [1]}, "list of ids")],
)
def test_a_wrong_line_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "votes.jsonl"
    append_votes(path, [vote("1")])
    row = json.loads(path.read_text()) | change
    path.write_text(path.read_text() + json.dumps(row) + "\n")
    with pytest.raises(DataError, match=rf"votes.jsonl, line 2: .*{message}"):
        read_votes(path)
    path.write_text('{"item": "1"}\n')
    with pytest.raises(DataError, match="line 1: a vote has exactly the fields"):
        read_votes(path)
