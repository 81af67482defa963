"""Rows out of files, each with the place that it came from, so that a mistake can name it."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_lab.errors import DataError

_DEEPEST = 100  # levels of lists and objects within one another; what is read must also be written and compared


@dataclass(frozen=True, kw_only=True)
class Row:
    """One raw row and its place for people: `file, line 17` or `file, item 17`."""

    fields: dict[str, Any]
    place: str


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a JSON or JSONL file (which of the two is seen from its first sign).

    NaN and Infinity, which are no JSON but stand in many files, are read as null. Raises DataError with file, line and
    what was expected; a file that is cut in the middle is an error, never a shorter file.
    """
    text = read_text(path)
    if text.lstrip()[:1] == "[":
        return _items(path, text)
    return _lines(path, text)


def read_text(path: Path) -> str:
    """The text of a file. Raises DataError for one that is missing, empty or not UTF-8."""
    if not path.exists():
        raise DataError(f"there is no file {path}")
    if path.is_dir():
        raise DataError(f"{path} is a folder; name one file in it")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    if not text.strip():
        raise DataError(f"{path}: the file is empty")
    return text


def _items(path: Path, text: str) -> Iterator[Row]:
    try:
        items = _parsed(text)
    except (ValueError, RecursionError) as error:
        raise DataError(_told(path, error, text)) from None
    for number, item in enumerate(items, start=1):
        yield _row(item, f"{path}, item {number}")


def _lines(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            item = _parsed(line)
        except (ValueError, RecursionError) as error:
            whole = json_document(text) if number == 1 else None
            if whole is not None:
                yield _row(whole, f"{path}, item 1")
                return
            raise DataError(_told(path, error, line, number)) from None
        yield _row(item, f"{path}, line {number}")


def json_document(text: str) -> Any:
    """A single JSON document that is spread over lines, or None."""
    try:
        return _parsed(text)
    except (ValueError, RecursionError):
        return None


def _parsed(text: str) -> Any:
    return json.loads(text, parse_constant=lambda _: None)


def _row(item: Any, place: str) -> Row:
    if not isinstance(item, dict):
        raise DataError(f"{place}: expected an object with named fields, got {type(item).__name__}")
    if _depth(item) > _DEEPEST:
        raise DataError(f"{place}: nested too deeply to be a row")
    return Row(fields=item, place=place)


def _depth(item: Any) -> int:
    """How many lists and objects stand within one another, counted no further than is allowed."""
    level, depth = [item], 0
    while level and depth <= _DEEPEST:
        level = [part for whole in level for part in _parts(whole)]
        depth += 1
    return depth


def _parts(whole: Any) -> Collection[Any]:
    if isinstance(whole, dict):
        return whole.values()
    return whole if isinstance(whole, list) else ()


def _told(path: Path, error: Exception, text: str, line: int | None = None) -> str:
    if isinstance(error, RecursionError):
        return f"{path}, line {line or 1}: nested too deeply to be a row"
    if not isinstance(error, json.JSONDecodeError):
        return f"{path}, line {line or 1}: a number has too many digits"  # the only other thing that the parser refuses
    where = f"{path}, line {line or error.lineno}, column {error.colno}"
    near = text[max(0, error.pos - 20) : error.pos + 10].replace("\n", " ")
    ends = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated string")
    cut = " (the text ends here: was the file cut?)" if ends else f" near {near!r}"
    return f"{where}: {error.msg[0].lower()}{error.msg[1:]}{cut}"
