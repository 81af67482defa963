"""Find the JSON in a model's answer, and read it strictly.

The text is untrusted: every function here takes time linear in its length, and no input
raises anything but what is named.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

Mode = Literal["whole", "fence", "scan"]

MAX_DEPTH = 64
"""Deepest nesting that is read. Validation recurses too, several frames per level."""
MAX_DIGITS = 300
"""Longest integer that is read. Beyond it, arithmetic with floats overflows."""

WHITESPACE = " \t\r\n"
# Strings are matched whole, closed or not, so that brackets inside them do not count.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_OPENER = re.compile(r"[\[{]")
_FENCE = re.compile(r"```[\w+-]*\s*")
# What starts like JSON is the answer even where it is broken or cut; `[sic]` is prose.
_STARTS_LIKE_JSON = re.compile(r"""\{\s*["'}]|\[\s*(?:[\[{"'\]\d-]|(?:true|false|null)\s*[,\]])""")
_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


@dataclass(frozen=True, kw_only=True)
class Extract:
    """The part of an answer that should be JSON, and how it was found."""

    text: str
    mode: Mode


class StrictJsonError(ValueError):
    """Text that is no strict JSON; `kind` names the rule that it broke."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def extract(text: str) -> Extract | None:
    """The JSON of an answer; None where nothing in it looks like JSON.

    - whole: the text begins with a bracket or is one JSON scalar. What follows the value
      stays in the extract, so that `parse_strict` refuses it.
    - fence: the content of the first Markdown fence that begins with a bracket, closed or not.
    - scan: the first object or array in prose. Where it is broken, up to its closing bracket;
      where it is never closed, all the rest.
    """
    stripped = text.strip(WHITESPACE)
    if stripped.startswith(("{", "[")) or _is_scalar(stripped):
        return Extract(text=stripped, mode="whole")
    if (fenced := _fenced(stripped)) is not None:
        return Extract(text=fenced.strip(WHITESPACE), mode="fence")
    if (found := _scanned(stripped)) is not None:
        return Extract(text=found.strip(WHITESPACE), mode="scan")
    return None


def balanced_end(text: str, start: int) -> int | None:
    """Index after the bracket that closes the one at `start`; None where none does.

    Brackets in double-quoted strings do not count; `{` and `[` are not told apart.
    """
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def parse_strict(text: str) -> Any:
    """The value of `text` by RFC 8259, with what that leaves open refused.

    Raises StrictJsonError with kind `syntax`, `trailing_text`, `duplicate_key`, `non_finite`
    (NaN, Infinity, and numbers out of float range), `too_many_digits`, `too_deep` or
    `surrogate` (text that cannot be encoded as UTF-8).
    """
    _refuse_depth(text)
    try:
        value = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        kind = "trailing_text" if error.msg == "Extra data" else "syntax"
        raise StrictJsonError(kind, f"{error.msg} at character {error.pos}") from None
    # Looked for first: the walk over the value is rarely needed.
    if _SURROGATE.search(text) and not _is_encodable(value):
        raise StrictJsonError("surrogate", "a string holds half of a surrogate pair")
    return value


def _is_scalar(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _fenced(text: str) -> str | None:
    position = 0
    while opening := _FENCE.search(text, position):
        start = opening.end()
        if text.startswith(("{", "["), start):
            # A fence inside the value's strings does not close the block.
            closing = text.find("```", balanced_end(text, start) or start)
            return text[start:] if closing < 0 else text[start:closing]
        closing = text.find("```", start)
        if closing < 0:
            return None
        position = closing + 3
    return None


def _scanned(text: str) -> str | None:
    first = None
    for opener in _OPENER.finditer(text):
        start = opener.start()
        first = start if first is None else first
        if _STARTS_LIKE_JSON.match(text, start):
            return text[start : balanced_end(text, start)]
    return None if first is None else text[first : balanced_end(text, first)]


def _refuse_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise StrictJsonError("too_deep", f"more than {MAX_DEPTH} levels at character {token.start()}")


def _is_encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise StrictJsonError("duplicate_key", f"the key {twice[:80]!r} stands twice in one object")
    return result


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise StrictJsonError("too_many_digits", f"an integer of {len(digits)} digits; at most {MAX_DIGITS} are read")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise StrictJsonError("non_finite", f"{digits[:40]} is out of range")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise StrictJsonError("non_finite", f"{name} is not JSON")


_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_real, parse_constant=_refuse_constant
)
