"""What people said: one line of JSON for each vote, only ever added to, on disk before the next question."""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock

from finetune_lab.errors import DataError
from finetune_lab.store.folders import append_json_line, read_json_lines

FILE = "votes.jsonl"


@dataclass(frozen=True, kw_only=True)
class Vote:
    """`shown` are the ids of the answers in the order of their places. `time` is UTC; `source`: where it was said."""

    item: str
    shown: tuple[str, ...]
    said: str
    rater: str
    time: str
    seconds: float | None
    source: str


def now() -> str:
    """The time as votes note it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def votes_file(outputs: Path, evaluator: str, key: str) -> Path:
    """Where the votes on one question are, whichever artifacts and rows they are about."""
    return outputs / "votes" / f"{evaluator}-{key}" / FILE


def append_votes(path: Path, votes: Sequence[Vote]) -> None:
    """Add votes, on disk when this returns. Several processes may write to one file; a torn last line goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # under it, a line without an end is one that a kill has left
        for vote in votes:
            append_json_line(path, asdict(vote))
        with path.open("ab") as stream:
            os.fsync(stream.fileno())


def read_votes(path: Path) -> list[Vote]:
    """All votes in their order; a torn last line is left out. Raises DataError naming file and line."""
    return [_vote(row, f"{path}, line {number}") for number, row in enumerate(read_json_lines(path), start=1)]


def _vote(row: Any, place: str) -> Vote:
    known = Vote.__dataclass_fields__
    if not isinstance(row, dict) or set(row) != set(known):
        raise DataError(f"{place}: a vote has exactly the fields {', '.join(known)}")
    texts = [row[name] for name in ("item", "said", "rater", "time", "source")]
    shown, seconds = row["shown"], row["seconds"]
    if not all(isinstance(one, str) for one in texts) or not isinstance(shown, list):
        raise DataError(f"{place}: all but shown, a list, and seconds, a number, should be text")
    if not all(isinstance(one, str) for one in shown) or not isinstance(seconds, (int, float, type(None))):
        raise DataError(f"{place}: shown should be a list of ids, and seconds a number")
    return Vote(**{**row, "shown": tuple(shown)})


def latest(votes: Iterable[Vote]) -> dict[tuple[str, str], Vote]:
    """(item, rater) -> what that rater said last of it: whoever goes back and says another thing counts once."""
    return {(vote.item, vote.rater): vote for vote in votes}


def about(votes: Iterable[Vote], items: Collection[str]) -> dict[tuple[str, str], Vote]:
    """The latest votes on these items."""
    return {key: vote for key, vote in latest(votes).items() if key[0] in items}


def digest_of(votes: Iterable[Vote]) -> str:
    """A name for what votes say together, whatever their order."""
    lines = sorted(f"{one.item}\x00{one.rater}\x00{one.said}\x00{'/'.join(one.shown)}" for one in votes)
    return sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]
