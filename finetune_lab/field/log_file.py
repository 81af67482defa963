"""A log of deployed replies, from a file to arrays: one row a reply, read once, with every mistake told by its row."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from finetune_lab.errors import DataError
from finetune_lab.field.values import count, hour, label, missing, moment
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.tables import read_table
from finetune_lab.text.terminal import visible

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_MOST_ARMS = 20


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names that the log's columns have; None: the log has no such column.

    `post`: the original post, whose replies share their luck. `hour`: of the day, 0 to under 24; None: from `time`.
    """

    arm: str
    time: str
    post: str | None
    topic: str | None
    hour: str | None
    engagement: str | None


@dataclass(frozen=True, kw_only=True)
class FieldLog:
    """The rows that can be used. `arm`, `topic`, `post` number the names beside them; NaN in an outcome is unknown.

    `left_out` counts rows by what they lack; `num_rows` is all rows of the file.
    """

    arms: tuple[str, ...]
    arm: Integers
    seconds: Floats  # since 1970
    hour: Floats
    topics: tuple[str, ...]
    topic: Integers
    post: Integers
    engagement: Floats | None
    outcomes: Mapping[str, Floats]
    left_out: Mapping[str, int]
    num_rows: int

    @property
    def num_weeks(self) -> float:
        """How long the log runs, at least a day."""
        return float(max(np.ptp(self.seconds), 86_400.0) / 604_800.0)


@dataclass
class _Names:
    """Names numbered in the order in which they come."""

    known: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        return self.known.setdefault(name, len(self.known))


@dataclass
class _Read:
    """What has been read so far, in arrays that grow."""

    outcomes: Mapping[str, "array[float]"]
    arm: "array[int]" = field(default_factory=lambda: array("q"))
    topic: "array[int]" = field(default_factory=lambda: array("q"))
    post: "array[int]" = field(default_factory=lambda: array("q"))
    seconds: "array[float]" = field(default_factory=lambda: array("d"))
    hour: "array[float]" = field(default_factory=lambda: array("d"))
    engagement: "array[float]" = field(default_factory=lambda: array("d"))
    arms: _Names = field(default_factory=_Names)
    topics: _Names = field(default_factory=_Names)
    posts: _Names = field(default_factory=_Names)
    left_out: dict[str, int] = field(default_factory=dict)
    first_left_out: str = ""
    num_rows: int = 0


def read_log(
    path: Path, columns: Columns, outcomes: Sequence[str], *, zone: str | None, most_missing: float
) -> FieldLog:
    """Read a CSV, JSONL, JSON or Parquet file. `outcomes` are names of columns with counts.

    A row that lacks an arm or a time is a mistake; one that lacks a topic, an hour, a post or the original's
    engagement cannot be compared and is left out and counted, as long as they are at most a share of `most_missing`.
    Hours are those of `zone`, UTC where it is None. Raises DataError, with file and row, for anything that is no count,
    hour or time, and where fewer than two arms are left.
    """
    read = _Read(outcomes={name: array("d") for name in outcomes})
    named = None if zone is None else ZoneInfo(zone)
    for row in read_table(path):
        if read.num_rows == 0:
            _check_columns(row, path, columns, outcomes)
        read.num_rows += 1
        _take(read, row, columns, named)
    _check(read, path, columns, most_missing)
    return FieldLog(
        arms=tuple(read.arms.known),
        arm=np.array(read.arm, dtype=np.int64),
        seconds=np.array(read.seconds),
        hour=np.array(read.hour),
        topics=tuple(read.topics.known),
        topic=np.array(read.topic, dtype=np.int64),
        post=np.array(read.post, dtype=np.int64),
        engagement=np.array(read.engagement) if columns.engagement else None,
        outcomes={name: np.array(values) for name, values in read.outcomes.items()},
        left_out=read.left_out,
        num_rows=read.num_rows,
    )


def _check_columns(row: Row, path: Path, columns: Columns, outcomes: Sequence[str]) -> None:
    wanted = [name for name in (*vars(columns).values(), *outcomes) if name is not None]
    if lacking := sorted(set(wanted) - set(row.fields)):
        there = ", ".join(visible(str(name)) for name in row.fields)
        raise DataError(
            f"{path}: no column {', '.join(lacking)}; there are {there}. task.columns and task.outcomes say how they "
            "are called; null (or ~task.outcomes.NAME) where the log has none"
        )


def _take(read: _Read, row: Row, columns: Columns, zone: ZoneInfo | None) -> None:
    """Add one row, or count it as left out. Every value is read first, so that no mistake hides behind a gap."""
    fields, place = row.fields, row.place
    arm, when = fields.get(columns.arm), fields.get(columns.time)
    if missing(arm) or missing(when):
        raise DataError(f"{place}: {columns.arm if missing(arm) else columns.time} is missing")
    at = moment(when, columns.time, place, zone)
    counts = [count(fields.get(name), name, place) for name in read.outcomes]
    known = {name: fields.get(name) for name in (columns.topic, columns.post, columns.hour, columns.engagement) if name}
    of_day = hour(known[columns.hour], columns.hour, place) if columns.hour else _hour_of(at, zone)
    engaged = count(known[columns.engagement], columns.engagement, place) if columns.engagement else 0.0
    if lacking := next((name for name, value in known.items() if missing(value)), None):
        read.left_out[lacking] = read.left_out.get(lacking, 0) + 1
        read.first_left_out = read.first_left_out or f"{place} lacks {lacking}"
        return
    read.arm.append(read.arms.number(label(arm)))
    read.seconds.append(at.timestamp())
    read.hour.append(of_day)
    read.engagement.append(engaged)
    read.topic.append(read.topics.number(label(known[columns.topic]) if columns.topic else ""))
    read.post.append(read.posts.number(label(known[columns.post]) if columns.post else place))
    for values, found in zip(read.outcomes.values(), counts, strict=True):
        values.append(found)


def _hour_of(at: Any, zone: ZoneInfo | None) -> float:
    local = at.astimezone(zone or ZoneInfo("UTC"))
    return float(local.hour + local.minute / 60)


def _check(read: _Read, path: Path, columns: Columns, most_missing: float) -> None:
    if not read.num_rows:
        raise DataError(f"{path}: no rows")
    lost = sum(read.left_out.values())
    if lost > most_missing * read.num_rows:
        raise DataError(
            f"{path}: {lost} of {read.num_rows} rows lack a covariate, more than task.most_missing={most_missing:g}; "
            f"the first: {read.first_left_out}. A covariate that the log does not have is null in task.columns"
        )
    arms = list(read.arms.known)
    if len(arms) < 2:
        raise DataError(f"{path}: all rows have the arm {visible(arms[0])!r}, so there is nothing to compare")
    if len(arms) > _MOST_ARMS:
        raise DataError(f"{path}: {len(arms)} different arms; is {columns.arm!r} the column that names the arm?")
