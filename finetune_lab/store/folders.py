"""What lies below outputs/, as files: the readers and writers of each kind of folder. Folders are the truth."""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from finetune_lab.errors import DataError, LabError
from finetune_lab.once import read_note, write_atomically
from finetune_lab.records import Evaluation, Score, Statistic

CURVE, CARD, FAILURE = "curve.jsonl", "card.json", "failed.json"
DECLARED = "rules-"  # begins the name of a declaration, which lies among the memberships of its group
COLUMNS, DETAILS, ANSWERS = "columns.json", "details.jsonl", "answers.jsonl"


def append_json_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row to a file of JSON lines. A number that is not finite becomes null: JSON has no name for it.

    A last line that a kill left torn is cut off first, so that the file stays readable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as stream:
        _cut_torn_line(stream)
        stream.write((_to_json(row) + "\n").encode("utf-8"))


def read_json_lines(path: Path) -> list[Any]:
    """The rows of a file of JSON lines; none where there is no file. A torn last line is left out.

    Raises DataError naming file and line for one that is torn elsewhere.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    lines.pop()  # nothing after the last newline, or what a kill left of a line
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise DataError(f"{path}, line {number}: not JSON ({error})") from error
    return rows


def read_json(path: Path) -> dict[str, Any]:
    """A file that holds one JSON object. Raises DataError naming it when it holds anything else."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds a {type(found).__name__}, not an object")
    return found


def note_of(folder: Path, kind: str) -> dict[str, Any]:
    """The note of a finished folder of this kind. Raises DataError for one that is unfinished or of another kind."""
    try:
        note = read_note(folder)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: its note cannot be read ({error})") from error
    if note is None:
        raise DataError(f"{folder}: not finished")
    if not isinstance(note, dict) or note.get("kind") != kind:
        raise DataError(f"{folder}: its note does not say kind: {kind}")
    return note


def write_evaluation(folder: Path, evaluation: Evaluation) -> dict[str, Any]:
    """Write columns.json and details.jsonl; return scores, counts and files, for the note.

    Values that are not finite become unscored and are counted as `non_finite`. Raises DataError when a column
    or the clusters are not as long as the samples.
    """
    _check_lengths(folder, evaluation)
    columns = {name: [finite(value) for value in values] for name, values in evaluation.columns.items()}
    whole = {"samples": list(evaluation.samples), "clusters": list(evaluation.clusters), "columns": columns}
    write_atomically(folder / COLUMNS, _to_json(whole))
    write_atomically(folder / DETAILS, "".join(_to_json(row) + "\n" for row in evaluation.details))
    given = [value for values in evaluation.columns.values() for value in values if value is not None]
    lost = sum(not math.isfinite(value) for value in given)
    counts = dict(evaluation.counts) | ({"non_finite": lost} if lost else {})
    scores = [asdict(score) | {"value": finite(score.value)} for score in evaluation.scores]
    return {"scores": scores, "counts": _plain(counts), "files": list(evaluation.files)}


def read_evaluation(folder: Path) -> Evaluation:
    """What `write_evaluation` wrote and the note says. Raises DataError for a folder that is torn or unfinished."""
    note, whole = note_of(folder, "evaluation"), read_json(folder / COLUMNS)
    try:
        evaluation = Evaluation(
            samples=tuple(whole["samples"]),
            clusters=tuple(whole["clusters"]),
            columns=whole["columns"],
            scores=tuple(score_from_json(row) for row in note["scores"]),
            details=tuple(read_json_lines(folder / DETAILS)),
            counts=note.get("counts", {}),
            files=tuple(note.get("files", ())),
        )
        _check_lengths(folder, evaluation)
    except (KeyError, TypeError) as error:
        raise DataError(f"{folder}: not an evaluation ({error!r})") from error
    return evaluation


def write_member(path: Path, member: Mapping[str, Any]) -> None:
    """Enter a run in a group, or add the measures that it was scored under since; it keeps the time it joined."""
    old: dict[str, Any] = (
        read_json(path) if path.exists() else {"joined": datetime.now(UTC).isoformat(timespec="seconds")}
    )
    measures = {**old.get("measures", {}), **member["measures"]}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({**member, "joined": old["joined"], "measures": measures}, indent=2))


def score_from_json(row: Mapping[str, Any]) -> Score:
    return Score(**{**row, "statistic": Statistic(**row["statistic"])})


def finite(value: float | None) -> float | None:
    """The number, or None for one that is not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def disk_bytes(folder: Path) -> int:
    """The bytes of all files below `folder` (or of the file itself); 0 where there is nothing. Links count as links."""
    if folder.is_symlink() or folder.is_file():
        return folder.lstat().st_size
    total = 0
    for path in folder.rglob("*"):
        try:
            stat = path.lstat()
        except FileNotFoundError:  # a running process has removed it in the meantime
            continue
        total += 0 if path.is_dir() and not path.is_symlink() else stat.st_size
    return total


def owned(outputs: Path) -> dict[str, list[Path]]:
    """What below `outputs` belongs to each artifact alone: folder, answers, evaluations and memberships, by its key.

    Folders that `fresh` has put aside (`<folder>.1`), or that a kill left half deleted, belong to it too.
    """
    found: dict[str, list[Path]] = {}
    for pattern in ("runs/*", "answers/*/*", "evals/*/*"):
        for path in sorted(outputs.glob(pattern)):
            if path.is_dir() and not path.name.startswith("."):  # hidden: locks
                name = path.stem if is_aside(path) else path.name
                key = name.rpartition("-")[2] if pattern == "runs/*" else run_of(name)
                found.setdefault(key, []).append(path)
    for path in memberships(outputs):
        found.setdefault(path.stem, []).append(path)
    return found


def memberships(outputs: Path) -> list[Path]:
    """The files that enter a run in a group."""
    return [path for path in sorted(outputs.glob("groups/*/*.json")) if not path.name.startswith(DECLARED)]


def checkpoint_key(run: str, step: int) -> str:
    """The key of a run's checkpoint as an artifact; what is found about it goes with the run."""
    return f"{run}-step{step}"


def run_of(subject: str) -> str:
    """The run that an artifact belongs to: its own key, unless it is a checkpoint."""
    run, found, step = subject.rpartition("-step")
    return run if found and step.isdigit() else subject


def is_aside(folder: Path) -> bool:
    """Whether a folder was put aside by `fresh`, or is about to be deleted."""
    return folder.suffix == ".deleted" or folder.suffix[1:].isdigit()


def holder(folder: Path) -> str | None:
    """The process that holds `folder` at this moment (see once.held), or None."""
    lock = _lock_path(folder)
    if not lock.exists():
        return None
    try:
        with FileLock(lock, blocking=False):
            return None
    except Timeout:
        owner = lock.with_suffix(".owner")
        return owner.read_text() if owner.exists() else "unknown"


def remove(places: Sequence[Path]) -> None:
    """Delete folders and files for good. Raises LabError, and deletes nothing, when a process holds one of them."""
    with _all_held([path for path in places if path.is_dir()]):
        for path in places:
            if path.is_dir():
                # renamed first: a kill in the middle must not leave a folder that has a note and lacks files
                gone = path.with_name(f"{path.name}.deleted")
                shutil.rmtree(gone, ignore_errors=True)
                shutil.rmtree(path.rename(gone))
            else:
                path.unlink(missing_ok=True)


@contextmanager
def _all_held(folders: Sequence[Path]) -> Iterator[None]:
    with ExitStack() as stack:
        for folder in folders:
            lock = _lock_path(folder)
            lock.parent.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(FileLock(lock, blocking=False))
            except Timeout:
                who = holder(folder) or "unknown"
                raise LabError(f"{folder} is being made by process {who}: wait for it, or stop it first") from None
        yield


def _lock_path(folder: Path) -> Path:
    return folder.parent / ".locks" / f"{folder.name}.lock"


def _check_lengths(folder: Path, evaluation: Evaluation) -> None:
    num_samples = len(evaluation.samples)
    if len(set(evaluation.samples)) != num_samples:
        raise DataError(f"{folder}: a sample stands twice in the evaluation")
    for name, values in {"clusters": evaluation.clusters, **evaluation.columns}.items():
        if len(values) != num_samples:
            raise DataError(f"{folder}: {name} has {len(values)} values for {num_samples} samples")


def _cut_torn_line(stream: Any) -> None:
    end = stream.seek(0, 2)
    if end == 0:
        return
    stream.seek(end - 1)
    if stream.read(1) == b"\n":
        return
    stream.seek(0)
    stream.truncate(stream.read().rfind(b"\n") + 1)


def _plain(value: Any) -> Any:
    """The same with null for numbers that are not finite and plain numbers for NumPy's."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _to_json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
