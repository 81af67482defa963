"""Files of rows: every form that people have is read, and every broken one told with file, place and what was due."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from finetune_lab.errors import DataError
from finetune_lab.preparing.pipeline import convert
from finetune_lab.preparing.reading import Row, read_rows

ROWS = [
    {"instruction": "add 1 and 2", "output": "3"},
    {"instruction": "gr\u00fc\u00dfe", "input": "x", "output": "h\u00e9"},
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes, name: str = "rows.json") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def fields(path: Path) -> list[dict[str, Any]]:
    return [row.fields for row in read_rows(path)]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        LINES,
        LINES.rstrip("\n"),
        LINES.replace("\n", "\r\n"),
        LINES.replace("\n", "\n\n  \n"),
        "\n \n" + json.dumps(ROWS, indent=1),
        "\ufeff" + LINES,
        "\ufeff" + json.dumps(ROWS),
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS),
    ],
    ids=[
        "array",
        "indented",
        "lines",
        "no-last-newline",
        "crlf",
        "blank-lines",
        "blank-first",
        "bom",
        "bom-array",
        "utf8",
    ],
)
def test_the_same_rows_come_out_of_every_form(text: str, written: Any) -> None:
    assert fields(written(text)) == ROWS


def test_one_object_spread_over_lines_is_one_row(written: Any) -> None:
    assert fields(written(json.dumps(ROWS[0], indent=2))) == [ROWS[0]]


def test_rows_know_their_line_or_their_number(written: Any) -> None:
    lines, items = written("\n" + LINES, "a.jsonl"), written(json.dumps(ROWS), "b.json")
    assert [row.place for row in read_rows(lines)] == [f"{lines}, line 2", f"{lines}, line 3"]
    assert [row.place for row in read_rows(items)] == [f"{items}, item 1", f"{items}, item 2"]


def test_a_unicode_line_separator_within_a_string_does_not_end_a_line(written: Any) -> None:
    row = {"text": "one\u2028two\u0085three"}
    assert fields(written(json.dumps(row, ensure_ascii=False) + "\n")) == [row]


BROKEN = {
    "empty": ("", ["empty"]),
    "white": (" \n\t\n", ["empty"]),
    "not-utf8": (LINES.encode() + b"\xff\xfe", ["UTF-8", str(len(LINES.encode()))]),
    "utf16": (LINES.encode("utf-16"), ["UTF-8"]),
    "cut-array": (json.dumps(ROWS)[:-9], ["line 1", "cut"]),
    "cut-line": (LINES[:-9], ["line 2", "cut"]),
    "cut-object": (json.dumps(ROWS[0], indent=1)[:-5], ["line 1"]),
    "comma": ('[{"text": "a"},]', ["line 1", "column"]),
    "quotes": ("{'text': 'a'}\n", ["line 1", "double quotes", "'text'"]),
    "two-arrays": ('[{"text": "a"}]\n[{"text": "b"}]', ["line 2", "extra data"]),
    "number": ("17\n", ["line 1", "expected an object", "int"]),
    "string": ('"text"\n', ["line 1", "expected an object", "str"]),
    "nan": ("NaN\n", ["line 1", "expected an object", "NoneType"]),
    "list-in-lines": ('{"text": "a"}\n["b"]\n', ["line 2", "expected an object", "list"]),
    "list-in-array": ('[{"text": "a"}, ["b"]]', ["item 2", "expected an object", "list"]),
    "null-in-array": ('[{"text": "a"}, null]', ["item 2", "expected an object"]),
    "deep-array": ("[" * 200_000, ["too deeply"]),
    "deep-line": ('{"text": "a"}\n' + '{"a":' * 200_000, ["line 2", "too deeply"]),
    "deep-but-whole": (
        json.dumps({"text": "a", "x": 0})[:-2] + "[" * 400 + "]" * 400 + "}\n",
        ["line 1", "too deeply"],
    ),
    "endless-number": ('{"text": "a", "n": ' + "9" * 5_000 + "}\n", ["line 1"]),
    "half-a-pair": ('{"text": "a \\ud83d b"}\n', ["line 1", "surrogate"]),
    "csv": ("text,label\nhello,1\n", ["line 1"]),
    "zip": (b"PK\x03\x04\x14\x00", ["line 1"]),
}


@pytest.mark.parametrize(("content", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_by_name_place_and_reason(content: str | bytes, told: list[str], written: Any) -> None:
    path = written(content)
    with pytest.raises(DataError) as error:
        convert(read_rows(path), facts=())
    message = str(error.value)
    assert str(path) in message
    assert len(message) < 400
    for part in told:
        assert part in message, message


def test_a_file_that_is_not_there_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*absent\.json"):
        read_rows(tmp_path / "absent.json")
    with pytest.raises(DataError, match="is a folder"):
        read_rows(tmp_path)


def _mutated(content: bytes, random: Random) -> bytes:
    """`content` with one or two damages: bytes flipped, cut out, inserted, copied to elsewhere; or the end missing."""
    found = bytearray(content)
    for _ in range(random.randint(1, 2)):
        place, length = random.randrange(len(found) + 1), random.randint(1, 6)
        kind = random.randrange(5)
        if kind == 0 and found:
            found[place % len(found)] = random.randrange(256)
        elif kind == 1:
            del found[place : place + length]
        elif kind == 2:
            found[place:place] = random.choice(
                [b"NaN", b"[", b"{", b'"', b"\\u", b"\x00", b"null", b"1e999", b",", b"\n"]
            )
        elif kind == 3:
            start = random.randrange(len(found) + 1)
            found[place:place] = found[start : start + length]
        else:
            del found[place:]
    return bytes(found)


_SEEDS = [
    json.dumps(ROWS),
    LINES,
    json.dumps(ROWS[0], indent=1),
    '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "tag": [1, {"x": null}]}\n'
    * 2,
    '[{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s", "tag": 1}]',
    '{"instruction": "q", "output": "a", "history": [["x", "y"]], "tag": "t"}\n',
    '{"prompt": "q", "completion": [{"role": "assistant", "content": "a"}], "tag": 2.5}\n',
]


@pytest.mark.parametrize("seed", range(len(_SEEDS)))
def test_damage_of_any_kind_is_a_data_error_or_harmless(seed: int, written: Any) -> None:
    random = Random(seed)
    content = _SEEDS[seed].encode()
    outcomes = {"read": 0, "told": 0}
    for number in range(250):
        path = written(_mutated(content, random))
        options: dict[str, Any] = {"group_by": "tag", "facts": ("tag",)} if b"tag" in content and number % 2 else {}
        try:
            convert(read_rows(path), unanswered=random.choice(["error", "drop", "keep"]), **options)
            outcomes["read"] += 1
        except DataError:
            outcomes["told"] += 1
    assert min(outcomes.values()) > 0, outcomes


def test_a_row_may_be_anything_that_json_can_hold() -> None:
    random = Random(1)

    def value(depth: int) -> Any:
        leaves = [None, True, 0, -1.5, float("nan"), "", "a", "user", [], {}]
        if depth == 0 or random.random() < 0.5:
            return random.choice(leaves)
        if random.random() < 0.5:
            return [value(depth - 1) for _ in range(random.randint(0, 3))]
        names = ["role", "content", "from", "value", "x"]
        return {random.choice(names): value(depth - 1) for _ in range(random.randint(0, 3))}

    names = ["messages", "conversations", "instruction", "input", "output", "history", "system", "prompt", "completion"]
    names += ["question", "answer", "text"]
    read, told = 0, []
    for _ in range(3000):
        row = {name: value(3) for name in random.sample(names, random.randint(0, 4))}
        try:
            convert([Row(fields=row, place="here, line 1")], unanswered="keep")
            read += 1
        except DataError as error:
            told.append(str(error))
    assert read > 50
    assert all("here, line 1" in message for message in told)


def test_a_message_stays_short_whatever_a_row_holds(written: Callable[..., Path]) -> None:
    """The place stands at its start and the way out at its end; what is cut is what the row says."""
    path = written(json.dumps({"x" * 200_000: 1}) + "\n")
    with pytest.raises(DataError, match=r"rows\.json, line 1: none of the known fields") as caught:
        convert(read_rows(path))
    assert len(str(caught.value)) < 1000
    assert str(caught.value).endswith("xxx")


def test_what_is_no_number_is_no_value(written: Callable[..., Path]) -> None:
    """Python and pandas write NaN into what they call JSON; in a sample it would be no JSON again."""
    for text in (
        '{"text": "a", "x": NaN}\n{"text": "b", "x": -Infinity}',
        '[{"text": "a", "x": NaN}, {"x": Infinity}]',
    ):
        assert [row.fields["x"] for row in read_rows(written(text))] == [None, None]
