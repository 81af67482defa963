"""From folders to rows: each function reads one folder and puts its rows in the place of those it had before."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finetune_lab.once import NOTE
from finetune_lab.records import Evaluation, Sample, Score
from finetune_lab.store.folders import (
    ANSWERS,
    CARD,
    CURVE,
    FAILURE,
    finite,
    note_of,
    read_evaluation,
    read_json,
    read_json_lines,
)

Tables = dict[str, list[dict[str, Any]]]
SUBJECT_TABLES = ("score", "column_values", "evaluation", "detail", "answer_set", "answer")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One evaluation as it was read: whose it is, the rows of its tables, and its columns."""

    subject: str
    measure: str
    tables: Tables
    evaluation: Evaluation


def signature(place: Path) -> str:
    """Names, sizes and times of the files of a folder (or of one file): another one means that something changed."""
    files = sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else [place]
    return json.dumps([(path.name, (stat := path.stat()).st_size, stat.st_mtime_ns) for path in files])


def put(connection: sqlite3.Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert or replace rows, column by name. Table and columns are names of our own; the values are bound."""
    listed = list(rows)
    if not listed:
        return
    names = list(listed[0])
    marks = ", ".join("?" for _ in names)
    statement = f"insert or replace into {table} ({', '.join(names)}) values ({marks})"
    connection.executemany(statement, ([row[name] for name in names] for row in listed))


def read_dataset(folder: Path) -> Tables:
    """The rows of one prepared dataset and of its samples, table by table."""
    note = note_of(folder, "dataset")
    rows = [row for split in note["splits"] for row in read_json_lines(folder / f"{split}.jsonl")]
    dataset = {
        "key": note["key"],
        "name": note["name"],
        "splits": plain(note["splits"]),
        "dropped": plain(note.get("dropped", {})),
        "note": plain(note),
        "folder": str(folder),
    }
    return {"dataset": [dataset], "sample": sample_rows(Sample.from_json(row) for row in rows)}


def sample_rows(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    """The rows of the table `sample`, each sample once."""
    rows = {
        sample.id: {
            "id": sample.id,
            "messages": plain([dict(message) for message in sample.messages]),
            "text": None if sample.text is None else _utf8(sample.text),
            "facts": plain(dict(sample.facts)),
        }
        for sample in samples
    }
    return list(rows.values())


def read_run(folder: Path) -> Tables:
    """The rows of one run, whole, failed or half done: its card, its note, its failure and its curve."""
    card = read_json(folder / CARD)
    note = note_of(folder, "run") if (folder / NOTE).exists() else None
    failure = read_json(folder / FAILURE) if (folder / FAILURE).exists() and note is None else None
    if failure and not _failed_since(card, failure):
        failure = None
    status = "done" if note else "failed" if failure else "running"
    finished = note.get("made", {}).get("time") if note else failure.get("time") if failure else None
    run = {name: card[name] for name in ("key", "base", "label", "model", "data", "method", "seed")}
    run |= {
        "group_name": card.get("group", ""),
        "data_key": note.get("data_key") if note else None,
        "status": status,
        "started": _iso(card.get("started")),
        "finished": _iso(finished),
        "error": str(failure.get("error")) if failure else None,
        "report": plain(note.get("report", {}) if note else {}),
        "config": plain((note or card).get("config", {})),
        "folder": str(folder),
        "made": _made(note or {}),
    }
    return {"run": [run], "training_metric": _curve(folder, card["key"]), "run_table": _run_tables(folder, card["key"])}


def read_membership(path: Path) -> Tables:
    """The row of one member of a group; the group is the name of the folder that holds the file."""
    found = read_json(path)
    member = {name: found[name] for name in ("run", "base", "label", "model")}
    member |= {
        "measures": plain(found["measures"]),
        "joined": _iso(found.get("joined")),
        "group_name": path.parent.name,
    }
    return {"member": [member]}


def read_answers(folder: Path) -> Tables:
    """The rows of one finished set of answers."""
    note = note_of(folder, "answers")
    whose = {"subject": note["subject"], "answers_key": note["key"]}
    names = ("sample", "text", "num_prompt_tokens", "num_tokens", "finish")
    answers = [
        whose | {name: row[name] for name in names} | {"text": _utf8(row["text"])}
        for row in read_json_lines(folder / ANSWERS)
    ]
    about = {"decoding": plain(note["decoding"]), "seconds": note.get("seconds"), "folder": str(folder)}
    return {"answer_set": [whose | about], "answer": answers}


def read_scores(folder: Path) -> Scored:
    """One finished evaluation: its columns, and the rows of everything else."""
    note, evaluation = note_of(folder, "evaluation"), read_evaluation(folder)
    whose = {"subject": note["subject"], "measure": note["measure"]}
    named = whose | {"evaluator": note["evaluator"]}
    about: dict[str, Any] = {"counts": plain(evaluation.counts), "files": plain(list(evaluation.files))}
    about |= {"seconds": note.get("seconds"), "folder": str(folder), "reference": note.get("reference")}
    about["made"] = _made(note)
    tables = {
        "measure": [{"measure": note["measure"], "evaluator": note["evaluator"]}],
        "evaluation": [named | about],
        "score": [named | {"position": number} | _score(score) for number, score in enumerate(evaluation.scores)],
        "detail": [
            whose | {"sample": sample, "json": plain(detail)}
            for sample, detail in zip(evaluation.samples, evaluation.details, strict=False)
        ],
    }
    return Scored(subject=note["subject"], measure=note["measure"], tables=tables, evaluation=evaluation)


def write_columns(connection: sqlite3.Connection, found: Scored) -> None:
    """Store the columns in the order of the measure's samples, which grows by samples that it has not met yet."""
    ask = "select sample, position, cluster from measure_sample where measure = ?"
    known = {sample: (place, cluster) for sample, place, cluster in connection.execute(ask, [found.measure])}
    places = {sample: place for sample, (place, _) in known.items()}
    rows = []
    for sample, cluster in zip(found.evaluation.samples, found.evaluation.clusters, strict=True):
        place = places.setdefault(sample, len(places))
        if known.get(sample) != (place, cluster):
            rows.append({"measure": found.measure, "position": place, "sample": sample, "cluster": cluster})
    put(connection, "measure_sample", rows)
    order = [places[sample] for sample in found.evaluation.samples]
    num_places = max(order, default=-1) + 1
    whose = {"subject": found.subject, "measure": found.measure}
    columns = found.evaluation.columns.items()
    arrays = [whose | {"name": name, "array": plain(_placed(values, order, num_places))} for name, values in columns]
    put(connection, "column_values", arrays)


def delete_subject(connection: sqlite3.Connection, subject: str) -> None:
    """Forget what was found about one artifact, and about its checkpoints."""
    for table in SUBJECT_TABLES:
        connection.execute(f"delete from {table} where subject = ?1 or subject glob ?1 || '-step*'", [subject])


def plain(value: Any) -> str:
    """JSON text that SQLite can read: ASCII, and no number that is not finite."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _score(score: Score) -> dict[str, Any]:
    row = {name: getattr(score, name) for name in ("name", "value", "unit")}
    return row | {"higher_is_better": int(score.higher_is_better), "statistic": plain(vars(score.statistic))}


def _failed_since(card: Mapping[str, Any], failure: Mapping[str, Any]) -> bool:
    """Whether the failure is that of the newest start, not of an earlier one; the times are of whole seconds."""
    started, failed = _iso(card.get("started")), _iso(failure.get("time"))
    return started is None or failed is None or failed >= started


def _iso(moment: Any) -> str | None:
    """A time of any zone, as ISO 8601 or in seconds since 1970, in one form that sorts: UTC, whole seconds."""
    if moment is None:
        return None
    seconds = moment if isinstance(moment, (int, float)) else datetime.fromisoformat(moment).timestamp()
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _curve(folder: Path, run: str) -> list[dict[str, Any]]:
    points: dict[tuple[str, int], dict[str, Any]] = {}
    for row in read_json_lines(folder / CURVE):
        for name, value in row["metrics"].items():  # a resumed run repeats steps: the last line of a step wins
            point = {"run": run, "name": name, "step": row["step"], "value": finite(value), "time": row["time"]}
            points[name, row["step"]] = point
    return list(points.values())


def _made(note: Mapping[str, Any]) -> str | None:
    """Commit, packages, time and hardware of a finished piece of work, as JSON."""
    found = dict(note.get("made", {})) | ({"hardware": note["hardware"]} if "hardware" in note else {})
    return plain(found) if found else None


def _run_tables(folder: Path, run: str) -> list[dict[str, Any]]:
    """The files of a run's folder that hold a list of objects."""
    own = (CARD, FAILURE, NOTE)
    read = {path.stem: _json_or_none(path) for path in sorted(folder.glob("*.json")) if path.name not in own}
    return [{"run": run, "name": name, "rows": plain(rows)} for name, rows in read.items() if _is_table(rows)]


def _is_table(found: Any) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(row, dict) for row in found)


def _json_or_none(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes(), parse_constant=lambda _: None)  # NaN: not known
    except (OSError, ValueError):
        return None  # not whole, or not JSON: none of ours to judge


def _placed(values: Sequence[float | None], order: Sequence[int], num_places: int) -> list[float | None]:
    array: list[float | None] = [None] * num_places
    for place, value in zip(order, values, strict=True):
        array[place] = value
    return array


def _utf8(text: str) -> str:
    """Text that SQLite can hold: half of a surrogate pair, which a model may write, becomes a replacement mark."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
