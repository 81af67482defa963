"""Single values of a log, read strictly: what is no count, no hour or no time is told with its row."""

import math
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from finetune_lab.errors import DataError

_MISSING = frozenset({"", "na", "nan", "null", "none"})
_MOST = 1e12  # more than anything on this planet was ever liked


def missing(value: Any) -> bool:
    """Whether a value says that nothing is known."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _MISSING)


def label(value: Any) -> str:
    """An arm, a topic or a post, as text."""
    return str(value).strip()


def count(value: Any, name: str, place: str) -> float:
    """A whole number, 0 or more; NaN where none is given. Raises DataError for anything else."""
    if missing(value):
        return math.nan
    found = _number(value)
    if found is None or found != math.floor(found) or not 0 <= found <= _MOST:
        raise DataError(f"{place}: {name} is {value!r}; expected a whole number, 0 or more")
    return found


def hour(value: Any, name: str, place: str) -> float:
    """An hour of the day from 0 to under 24; NaN where none is given."""
    if missing(value):
        return math.nan
    found = _number(value)
    if found is None or not 0 <= found < 24:
        raise DataError(f"{place}: {name} is {value!r}; expected an hour from 0 to under 24")
    return found


def moment(value: Any, name: str, place: str, zone: ZoneInfo | None) -> datetime:
    """A time: ISO 8601, a datetime, or seconds since 1970. One that names no zone is taken as of `zone`."""
    found = _moment(value)
    if found is None:
        raise DataError(f"{place}: {name} is {value!r}; expected a time like 2026-03-29T14:05:00+02:00")
    if found.tzinfo is None and zone is None:
        raise DataError(f"{place}: {name} is {value!r}, which names no time zone; say whose it is: task.zone=UTC")
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    seconds = _number(value)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC) if 1e8 < seconds < 1e11 else None  # 1973 on; not milliseconds
        return datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
