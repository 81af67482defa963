"""Splits by content: seeded, stable when rows are added, groups whole; and a data set's name is its content."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import ConfigError, DataError
from finetune_lab.lab import Lab
from finetune_lab.preparing.pipeline import convert, write_splits
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.splitting import Split
from finetune_lab.records import Sample

SPLIT = Split(train=0.8, validation=0.1, test=0.1, seed=42)


def samples(num: int, groups: int | None = None) -> list[Sample]:
    return [Sample.of(text=f"text {n}", group=f"group {n % groups}" if groups else "") for n in range(num)]


def places(split: Split, given: list[Sample]) -> dict[str, str]:
    return {sample.id: name for name, rows in split.assign(given).items() for sample in rows}


def test_shares_are_kept_and_every_row_falls_into_one_split() -> None:
    found = SPLIT.assign(samples(4000))
    assert sum(map(len, found.values())) == 4000
    # five standard deviations of a binomial with n = 4000
    assert abs(len(found["train"]) - 3200) < 5 * (4000 * 0.8 * 0.2) ** 0.5
    assert abs(len(found["test"]) - 400) < 5 * (4000 * 0.1 * 0.9) ** 0.5


def test_adding_rows_moves_none_and_order_does_not_matter() -> None:
    few, many = samples(200), samples(1000)
    assert places(SPLIT, many).items() >= places(SPLIT, few).items()
    assert places(SPLIT, many[::-1]) == places(SPLIT, many)


def test_the_seed_decides() -> None:
    other = Split(train=0.8, validation=0.1, test=0.1, seed=43)
    assert places(other, samples(200)) != places(SPLIT, samples(200))
    assert places(Split(train=0.8, validation=0.1, test=0.1, seed=42), samples(200)) == places(SPLIT, samples(200))


def test_a_group_stays_together() -> None:
    given = samples(300, groups=30)
    found = places(SPLIT, given)
    for group in {sample.group for sample in given}:
        assert len({found[sample.id] for sample in given if sample.group == group}) == 1
    assert len(set(found.values())) == 3


def test_a_larger_training_share_takes_rows_and_gives_none_back() -> None:
    given = samples(500)
    larger = Split(train=0.9, validation=0.05, test=0.05, seed=42)
    before = {sample.id for sample in SPLIT.assign(given)["train"]}
    assert before < {sample.id for sample in larger.assign(given)["train"]}


def test_a_split_that_gets_no_rows_is_an_error_with_the_shares(tmp_path: Path) -> None:
    found = convert([Row(fields={"text": "a"}, place="x")])
    with pytest.raises(
        DataError, match=r"got no rows: 1 rows are too few for shares of 0\.8/0\.1/0\.1; change data\.split"
    ):
        write_splits(tmp_path, found, SPLIT, {})
    assert (
        write_splits(tmp_path, found, Split(train=1, validation=0, test=0, seed=0), {})["splits"]["train"]["rows"] == 1
    )


def test_what_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    fields = {"instruction": "q \u2028 \x00 \\", "output": "a\r\n\u00e9\U0001f600", "label": {"x": [1, None]}}
    found = convert([Row(fields=fields, place="x")], facts=("label",))
    write_splits(tmp_path, found, Split(train=0, validation=0, test=1, seed=0), {})
    lines = (tmp_path / "test.jsonl").read_bytes().split(b"\n")
    assert [Sample.from_json(json.loads(line)) for line in lines if line] == found.samples


def test_shares_must_add_up_to_one(lab: Callable[..., Lab]) -> None:
    with pytest.raises(ConfigError, match=r"data\.split.*should be 1, they are 1\.1"):
        lab("data.split.train=1.0", "data.split.validation=0.05", "data.split.test=0.05")


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(folder: str, name: str, content: str) -> Path:
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        return path

    return write


def test_a_file_is_known_by_its_content_and_not_by_its_place(lab: Callable[..., Lab], file: Any) -> None:
    content = '{"question": "q", "answer": "a"}\n'
    here, there = file("a", "rows.jsonl", content), file("b", "other name.jsonl", content)
    changed = file("c", "rows.jsonl", content.replace('"a"', '"b"'))
    keys = [lab("data=jsonl", f"data.path='{path}'").artifact.key for path in (here, there, changed)]
    assert keys[0] == keys[1] != keys[2]
    assert lab("data=jsonl", f"data.path='{here}'", "data.unanswered=drop").artifact.key != keys[0]


def test_a_text_is_known_by_its_content_and_its_separator(lab: Callable[..., Lab], file: Any) -> None:
    here, there = file("a", "t.txt", "one|two"), file("b", "u.txt", "one|two")
    keys = [lab("data=text", f"data.path='{path}'", "data.separator='|'").artifact.key for path in (here, there)]
    assert keys[0] == keys[1] != lab("data=text", f"data.path='{here}'").artifact.key


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"caf\xe9 au lait", "not UTF-8 at byte 3"), (b" \n ", "empty"), (b"---", "no text")],
)
def test_a_text_that_cannot_be_used_is_told(content: bytes, told: str, lab: Callable[..., Lab], tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        lab("data=text", f"data.path='{path}'", "data.separator=---").data.prepare(tmp_path)


def test_a_file_that_is_not_there_is_told_with_its_neighbours(
    lab: Callable[..., Lab], file: Any, tmp_path: Path
) -> None:
    file("a", "rows.jsonl", "{}")
    made = lab("data=jsonl", f"data.path='{tmp_path / 'a' / 'row.jsonl'}'")
    with pytest.raises(Exception, match=r"data\.path: there is no file .*row\.jsonl; beside it: rows\.jsonl"):
        made.data.check()


def test_the_first_so_many_rows_means_at_least_one(lab: Callable[..., Lab]) -> None:
    with pytest.raises(ConfigError, match=r"data\.max_rows"):
        lab("data.max_rows=-3")
