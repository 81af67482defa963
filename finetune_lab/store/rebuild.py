"""Make the index again from the folders, beside the old one, and put it in the old one's place in one step."""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune_lab.errors import DataError, LabError
from finetune_lab.store.connection import open_database
from finetune_lab.store.folders import is_aside, memberships
from finetune_lab.store.reports import REPORT


@dataclass(frozen=True, kw_only=True)
class Reindexed:
    """What was found: how many of each kind, and a sentence for each folder that could not be read."""

    counts: Mapping[str, int]
    problems: tuple[str, ...]


class Index(Protocol):
    def index_dataset(self, folder: Path) -> bool: ...
    def index_run(self, folder: Path) -> bool: ...
    def index_membership(self, path: Path) -> bool: ...
    def index_answers(self, folder: Path) -> bool: ...
    def index_evaluation(self, folder: Path) -> bool: ...
    def index_report(self, path: Path) -> bool: ...
    def index_field_test(self, folder: Path) -> bool: ...
    def close(self) -> None: ...


def rebuild(path: Path, outputs: Path, make: Callable[[Path], Any]) -> Reindexed:
    """Fill a new index, made by `make`, and let it replace the content of the one at `path`.

    The content is replaced in one transaction rather than by renaming the file: other processes have that file
    and its write-ahead log open, and would go on writing to the old one. A file that is damaged, or that a newer
    release has written, is kept beside the new one as `<name>.old`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.new")
    _remove(partial)
    index = make(partial)
    try:
        result = _fill(index, outputs)
        index.close()
        _replace(path, partial)
    finally:
        index.close()
        _remove(partial)
        (path.parent / ".locks" / f"{partial.name}.lock").unlink(missing_ok=True)
    return result


def _fill(index: Index, outputs: Path) -> Reindexed:
    counts: Counter[str] = Counter()
    problems: list[str] = []
    for kind, place, read in _places(index, outputs):
        try:
            read(place)
            counts[kind] += 1
        except DataError as error:
            problems.append(str(error))
    return Reindexed(counts=dict(counts), problems=tuple(problems))


def _places(index: Index, outputs: Path) -> Iterator[tuple[str, Path, Callable[[Path], bool]]]:
    kinds = (
        ("datasets", "data/*", index.index_dataset),
        ("runs", "runs/*", index.index_run),
        ("answers", "answers/*/*", index.index_answers),
        ("evaluations", "evals/*/*", index.index_evaluation),
        ("field tests", "field/*/*", index.index_field_test),
    )
    for kind, pattern, read in kinds:
        for place in sorted(outputs.glob(pattern)):
            # hidden: locks; a suffix: put aside by `fresh`, or about to be deleted
            if place.is_dir() and not place.name.startswith(".") and not is_aside(place):
                yield kind, place, read
    for place in memberships(outputs):
        yield "memberships", place, index.index_membership
    for place in sorted(outputs.glob(f"reports/*/{REPORT}")):
        yield "reports", place, index.index_report


def _replace(path: Path, partial: Path) -> None:
    try:
        target = open_database(path)
    except (LabError, sqlite3.DatabaseError) as error:
        if isinstance(error, sqlite3.OperationalError):  # busy, or the disk: nothing is wrong with the file
            raise
        _remove(path.with_name(f"{path.name}.old"))
        path.rename(path.with_name(f"{path.name}.old"))
        _remove(path)  # the log of the damaged file would be taken for that of the new one
        target = open_database(path)
    with closing(target), closing(sqlite3.connect(partial)) as source:
        source.backup(target)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
