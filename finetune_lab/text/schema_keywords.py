"""JSON Schema keywords that are safe on untrusted values, and two of our own.

The stock keywords search with `re`, which cannot be stopped: one bad pattern and a few dozen
characters hold the interpreter for years. Here patterns run in the `regex` package, which
takes a time limit on any thread, and every keyword looks at the clock before it works.

`x-ascending: [names]` on an array of objects: the named properties, item by item, never fall.
`x-sum: {of, property, equals}` on an object: the amounts of a list add up to a property.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import datetime
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

import regex
from jsonschema import FormatChecker, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]
MAX_REGEX_CHARS = 10_000
"""Longest string that the format `regex` compiles: compiling cannot be stopped."""

STOCK_FORMATS = frozenset({"date", "email", "idn-email", "ipv4", "ipv6", "regex", "uuid"})
"""Formats that jsonschema checks with nothing but the standard library."""
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*", re.ASCII)
_TIME = r"\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})"
_DATE_TIME = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}T{_TIME}", re.ASCII | re.IGNORECASE)

deadline_seconds: ContextVar[float] = ContextVar("deadline_seconds")
"""Value of `time.thread_time` (so that a busy machine changes no verdict) at which a check ends in TimeoutError."""


def remaining_seconds() -> float:
    """Time left to the current check, above 0; raises TimeoutError where none is left."""
    left = deadline_seconds.get() - time.thread_time()
    if left <= 0:
        raise TimeoutError
    return left


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """The compiled pattern; raises regex.error where it is none."""
    return regex.compile(pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text, within the time of the check."""
    return compile_pattern(pattern).search(text, timeout=remaining_seconds()) is not None


def pattern(validator: Any, value: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """`pattern`, with a time limit."""
    if validator.is_type(instance, "string") and not matches(value, instance):
        yield ValidationError(f"{instance!r} does not match {value!r}")


def pattern_properties(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """`patternProperties`, with a time limit."""
    if not validator.is_type(instance, "object"):
        return
    for each, subschema in value.items():
        for name, item in instance.items():
            if matches(each, name):
                yield from validator.descend(item, subschema, path=name, schema_path=each)


def additional_properties(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """`additionalProperties`, with a time limit on the patterns that it goes around."""
    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extras = [name for name in instance if name not in known and not any(matches(each, name) for each in patterns)]
    if value is False and extras:
        yield ValidationError(f"not allowed: {', '.join(sorted(map(repr, extras)))}")
    elif validator.is_type(value, "object"):
        for name in extras:
            yield from validator.descend(instance[name], value, path=name)


def unique_items(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """`uniqueItems` in linear time; the stock one compares all pairs."""
    if not value or not validator.is_type(instance, "array"):
        return
    if len({_hashable(item) for item in instance}) < len(instance):
        yield ValidationError(f"{instance!r} has an item twice")


def x_ascending(validator: Any, value: list[str], instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The named properties of the items, in order, never fall: text by code point, numbers by size.

    Items that are no objects, and properties that are missing or of another type, are left to
    other keywords.
    """
    if not validator.is_type(instance, "array"):
        return
    objects = [item for item in instance if validator.is_type(item, "object")]
    sequence = [item[name] for item in objects for name in value if name in item]
    for kind in ("string", "number"):
        same = [entry for entry in sequence if validator.is_type(entry, kind)]
        for before, after in pairwise(same):
            if after < before:
                yield ValidationError(f"{after!r} comes after {before!r}")
                break


def x_sum(validator: Any, value: dict[str, str], instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The numbers `property` of the objects in the list `of` add up to the property `equals`.

    Silent where one of the parts is missing or no number: other keywords say so. Exact for
    integers; floats may differ by 1e-9 of the total.
    """
    if not validator.is_type(instance, "object"):
        return
    items, total = instance.get(value["of"]), instance.get(value["equals"])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return
    amounts = [item.get(value["property"]) for item in items]
    if not all(validator.is_type(number, "number") for number in [*amounts, total]):
        return
    if abs(sum(amounts) - total) > (1e-9 * abs(total) if isinstance(sum(amounts) - total, float) else 0):
        yield ValidationError(f"{value['equals']} is {total!r}, the sum is {sum(amounts)!r}")


def _hashable(value: Any) -> Any:
    """A key that is equal for values that JSON Schema calls equal: 1 is 1.0, but is not true."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list):
        return ("array", *map(_hashable, value))
    if isinstance(value, dict):
        return ("object", frozenset((name, _hashable(item)) for name, item in value.items()))
    return value


def _format(stock: Keyword) -> Keyword:
    def keyword(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if value == "regex" and isinstance(instance, str) and len(instance) > MAX_REGEX_CHARS:
            yield ValidationError(f"a 'regex' of more than {MAX_REGEX_CHARS} characters")
            return
        try:
            yield from stock(validator, value, instance, schema) or ()
        except (RecursionError, OverflowError, ValueError):
            # Only some of the stock checks expect what a hostile string makes them raise.
            yield ValidationError(f"{instance!r} is not a {value!r}")

    return keyword


def _timed(stock: Keyword) -> Keyword:
    def keyword(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        remaining_seconds()
        yield from stock(validator, value, instance, schema) or ()

    return keyword


@cache
def safe_class(draft: Any) -> type[Validator]:
    """The draft's validator class with the keywords of this module; made once per draft."""
    ours: dict[str, Keyword] = {
        "pattern": pattern,
        "patternProperties": pattern_properties,
        "additionalProperties": additional_properties,
        "uniqueItems": unique_items,
        "format": _format(draft.VALIDATORS["format"]),
    }
    known = {**draft.VALIDATORS, **{name: keyword for name, keyword in ours.items() if name in draft.VALIDATORS}}
    known |= {"x-ascending": x_ascending, "x-sum": x_sum}
    return validators.extend(draft, {name: _timed(keyword) for name, keyword in known.items()})


@cache
def format_checker(draft: Any) -> FormatChecker:
    """The draft's formats of STOCK_FORMATS, and `uri`, `date-time` and `time` checked here.

    All others pass. The stock checks of those come and go with what else is installed, and a
    verdict must not depend on that.
    """
    stock = {name: found for name, found in draft.FORMAT_CHECKER.checkers.items() if name in STOCK_FORMATS}
    ours = {"uri": (_is_uri, ()), "date-time": (_is_date_time, ()), "time": (_is_time, ())}
    checker = FormatChecker()
    checker.checkers = {**stock, **ours}
    return checker


def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or _URI.fullmatch(value) is not None


def _is_time(value: object) -> bool:
    return not isinstance(value, str) or _is_date_time("1970-01-01T" + value)


def _is_date_time(value: object) -> bool:
    """RFC 3339; a leap second counts as the second before it."""
    if not isinstance(value, str):
        return True
    if not _DATE_TIME.fullmatch(value):
        return False
    try:
        # Cut to whole seconds: the fraction may have more digits than datetime takes.
        datetime.fromisoformat(value[:17] + value[17:19].replace("60", "59"))
    except ValueError:
        return False
    return True
