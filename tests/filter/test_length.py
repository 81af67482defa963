"""Length in characters: the limits themselves stay."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import ConfigError
from finetune_lab.lab import Lab

LAB = Callable[..., Lab]


@pytest.fixture
def chosen(lab: LAB) -> Callable[..., Any]:
    return lambda *options: lab("filter@data.filters=[length]", *options).data.filters["length"]


def test_the_limits_themselves_stay_and_white_space_around_does_not_count(chosen: Any, candidate: Any) -> None:
    one = chosen("data.filters.length.least=3", "data.filters.length.most=5")
    answers = ["ab", "abc", " abcde\n", "abcdef", "   "]
    verdicts = one.keep([candidate(answer=answer) for answer in answers])
    assert [verdict.reason for verdict in verdicts] == [
        *("under 3 characters", None, None, "over 5 characters", "under 3 characters")
    ]
    assert [verdict.detail for verdict in verdicts] == ["2", "", "", "6", "0"]


def test_characters_are_counted_and_not_bytes(chosen: Any, candidate: Any) -> None:
    one = chosen("data.filters.length.most=4")
    assert [v.reason for v in one.keep([candidate(answer="\u65e5\u672c\u8a9e\u00e9")])] == [None]


def test_the_part_says_what_is_looked_at(chosen: Any, candidate: Any) -> None:
    row = candidate(prompt="a longer question", answer="ok")
    for part, stays in (("prompt", False), ("answer", True), ("all", False)):
        one = chosen("data.filters.length.most=5", f"data.filters.length.part={part}")
        assert (one.keep([row])[0].reason is None) is stays


def test_mistakes_are_told_by_their_path(lab: LAB) -> None:
    with pytest.raises(ConfigError, match=r"data\.filters\.length\.least: .*got -1"):
        lab("filter@data.filters=[length]", "data.filters.length.least=-1")


def test_a_command_line_filters_in_order_and_says_so(lab: LAB, tmp_path: Path) -> None:
    rows = [{"question": f"q{n}", "answer": "x" * n} for n in range(1, 41)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = ["data=jsonl", f"data.path={path}", "data.split={train: 1, validation: 0, test: 0, seed: 0}"]
    made = lab(*line, "filter@data.filters=[length]", "data.filters.length.least=11")
    (tmp_path / "out").mkdir()
    note = made.data.prepare(tmp_path / "out")
    assert (note["rows_read"], note["splits"]["train"]["rows"]) == (40, 30)
    assert note["dropped"] == {"length: under 11 characters": 10}
    assert made.data_folder != lab(*line).data_folder
