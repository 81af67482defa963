"""Do a piece of work at most once: its folder is its name, and the note written last says that it is done."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from finetune_lab.provenance import differences, here

log = logging.getLogger(__name__)
NOTE = "done.json"


def read_note(folder: Path) -> dict[str, Any] | None:
    """Return the note in `folder`, or None while the work is not done."""
    note = folder / NOTE
    return json.loads(note.read_text()) if note.exists() else None


def once(folder: Path, make: Callable[[Path], dict[str, Any]], *, fresh: bool = False) -> dict[str, Any]:
    """Return the note in `folder`, calling `make(folder)` for it if there is none yet.

    A `make` that dies leaves its partial files (checkpoints) and no note, so the next call enters the same
    folder and goes on from them: to resume is to run again. Two processes that want the same folder wait for
    each other, and the second finds the note of the first. `fresh` puts a finished folder aside
    (`<folder>.1`, `.2`, …) and does the work again.
    """
    kept = read_note(folder)  # before the lock: a finished folder may be on a disk that is read-only
    if kept is not None and not fresh:
        return _kept(folder, kept)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        kept = read_note(folder)
        if kept is not None and fresh:
            put_aside(folder)
            kept = None
        return _kept(folder, kept) if kept is not None else _made(folder, make)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold `folder` against other processes; say for whom one waits. The system lets go when a process dies."""
    place = folder.parent / ".locks"
    place.mkdir(parents=True, exist_ok=True)
    owner, lock = place / f"{folder.name}.owner", FileLock(place / f"{folder.name}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.info("waiting  %s is being made by process %s", folder, owner.read_text() if owner.exists() else "?")
        lock.acquire()
    try:
        owner.write_text(str(os.getpid()))
        yield
    finally:
        lock.release()


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is either whole or not there."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def _made(folder: Path, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    log.info("making   %s", folder)
    try:
        note = make(folder) | {"made": here()}
    except BaseException:
        with suppress(OSError):
            folder.rmdir()  # goes only if it is empty: nothing was begun that could be continued
        raise
    write_atomically(folder / NOTE, json.dumps(note, indent=2))  # last: that the note exists means the work is whole
    return note


def _kept(folder: Path, note: dict[str, Any]) -> dict[str, Any]:
    other = differences(note.get("made", {}))
    log.info("kept     %s%s", folder, f"  (made with {other})" if other else "")
    return note


def put_aside(folder: Path) -> None:
    """Rename `folder` to the first free `<folder>.1`, `.2`, … and leave an empty one in its place."""
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    folder.rename(aside)
    folder.mkdir()
