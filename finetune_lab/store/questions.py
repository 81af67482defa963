"""What can be asked of the store: functions of a connection that give frozen records."""

import difflib
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from finetune_lab.errors import LabError
from finetune_lab.records import Answer, Sample, Statistic

_PARAMETER = re.compile(r"(?<![\w:]):([a-z_]+)")


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run as the store knows it. Times are ISO 8601; `report` is empty before the end."""

    key: str
    base: str
    label: str
    model: str
    data: str
    method: str
    seed: int
    data_key: str | None
    status: str  # planned, running, done or failed
    started: str | None
    finished: str | None
    error: str | None
    report: Mapping[str, Any]
    config: Mapping[str, Any]
    folder: Path
    groups: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member of a group: a run with its base, or the base alone (`run == base`). `measures`: evaluator -> key."""

    group: str
    run: str
    base: str
    label: str
    model: str
    measures: Mapping[str, str]
    config: Mapping[str, Any]  # of the run; empty for a base alone
    joined: str | None


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One score of one subject under one measure. `value` None: nothing could be scored.

    `reference`: of a contrast, the artifact that the subject was set against.
    """

    subject: str
    measure: str
    evaluator: str
    name: str
    value: float | None
    higher_is_better: bool
    unit: str
    statistic: Statistic
    reference: str | None = None


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The per-sample numbers of one subject under one measure; nan is unscored. Arrays are [samples], float64."""

    samples: tuple[str, ...]
    clusters: tuple[str, ...]
    columns: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class EvaluationRow:
    """What stands beside the scores of one subject under one measure."""

    subject: str
    measure: str
    evaluator: str
    counts: Mapping[str, Any]
    files: tuple[str, ...]
    seconds: float | None
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The answer to a question in SQL, with what it takes to ask it again. Cells are numbers, texts or None."""

    sql: str
    parameters: Mapping[str, Any]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def ask(connection: sqlite3.Connection, sql: str, parameters: Mapping[str, Any]) -> Asked:
    """Ask with those of the parameters that the question names."""
    named = {name: parameters[name] for name in dict.fromkeys(_PARAMETER.findall(sql))}
    cursor = connection.execute(sql, named)
    return Asked(
        sql=sql,
        parameters=named,
        columns=tuple(column[0] for column in cursor.description),
        rows=tuple(cursor.fetchall()),
    )


def runs(connection: sqlite3.Connection, outputs: Path, group: str | None) -> list[RunRow]:
    """All runs, or those of a group, the oldest first. A run joins its group when it is scored, and is of it before."""
    rows = connection.execute(
        "select r.*, (select json_group_array(group_name) from member where run = r.key) as groups from run r"
        " where ?1 is null or r.group_name = ?1 or r.key in (select run from member where group_name = ?1)"
        " order by r.started, r.label, r.key",
        [group],
    )
    return [_run(row, outputs) for row in _named(rows)]


def find(connection: sqlite3.Connection, outputs: Path, prefix: str) -> RunRow:
    """The run whose key begins with `prefix`, or whose label it is.

    Raises LabError, naming what comes near, when there is none or more than one.
    """
    every = runs(connection, outputs, None)
    exact = [row for row in every if row.key == prefix]
    found = exact or [row for row in every if prefix and (row.key.startswith(prefix) or row.label == prefix)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{row.key} ({row.label}, {row.model})" for row in found[:8])
        raise LabError(f"{prefix!r} names {len(found)} runs: {listed}; give more of the key")
    if not every:
        raise LabError(f"no run {prefix!r}: the store holds none; train one with task=run, or run task=reindex")
    names = {row.label: row for row in every} | {row.key: row for row in every}
    close = difflib.get_close_matches(prefix, list(names), n=5, cutoff=0.4) or [row.key for row in every[-5:]]
    near = ", ".join(dict.fromkeys(f"{names[name].key} ({names[name].label})" for name in close))
    raise LabError(f"no run {prefix!r}; near it: {near}; task=list task.all_groups=true shows all")


def members(connection: sqlite3.Connection, group: str) -> list[Member]:
    """The members of a group in the order in which they joined."""
    rows = connection.execute(
        "select m.*, r.config from member m left join run r on r.key = m.run"
        " where m.group_name = ? order by m.joined, m.label, m.run",
        [group],
    )
    return [
        Member(
            group=row["group_name"],
            measures=json.loads(row["measures"]),
            config=json.loads(row["config"] or "{}"),
            **{name: row[name] for name in ("run", "base", "label", "model", "joined")},
        )
        for row in _named(rows)
    ]


def groups(connection: sqlite3.Connection) -> dict[str, int]:
    """The groups and how many runs (and bases alone) each has, by name."""
    asked = connection.execute(
        "select group_name, count(*) from (select group_name, run from member"
        " union select group_name, key from run where group_name != '') group by group_name order by group_name"
    )
    return dict(asked.fetchall())


def scores(connection: sqlite3.Connection, subjects: Sequence[str], measures: Sequence[str] | None) -> list[ScoreRow]:
    """The scores of these subjects (under these measures), by subject, evaluator and the evaluator's own order."""
    rows = connection.execute(
        "select score.*, reference from score left join evaluation using (subject, measure, evaluator)"
        " where subject in (select value from json_each(?1))"
        " and (?2 is null or measure in (select value from json_each(?2)))"
        " order by subject, evaluator, measure, position",
        [json.dumps(list(subjects)), None if measures is None else json.dumps(list(measures))],
    )
    names = ("subject", "measure", "evaluator", "name", "value", "unit", "reference")
    return [
        ScoreRow(
            higher_is_better=bool(row["higher_is_better"]),
            statistic=Statistic(**json.loads(row["statistic"])),
            **{name: row[name] for name in names},
        )
        for row in _named(rows)
    ]


def columns(connection: sqlite3.Connection, subject: str, measure: str) -> Columns:
    """The per-sample columns; no columns where the subject was not scored under the measure."""
    ask = "select sample, cluster from measure_sample where measure = ? order by position"
    listed = connection.execute(ask, [measure]).fetchall()
    ask = "select name, array from column_values where subject = ? and measure = ? order by rowid"
    arrays = connection.execute(ask, [subject, measure]).fetchall()
    return Columns(
        samples=tuple(row[0] for row in listed),
        clusters=tuple(row[1] for row in listed),
        columns={name: _array(text, len(listed)) for name, text in arrays},
    )


def curve(connection: sqlite3.Connection, run: str) -> dict[str, list[tuple[int, float]]]:
    """The curves of a run: name -> (step, value) in the order of steps; nan where the value was not finite."""
    found: dict[str, list[tuple[int, float]]] = {}
    ask = "select name, step, value from training_metric where run = ? order by name, step"
    for name, step, value in connection.execute(ask, [run]):
        found.setdefault(name, []).append((step, float("nan") if value is None else value))
    return found


def timed_curve(connection: sqlite3.Connection, run: str, name: str) -> list[tuple[int, float, float]]:
    """One curve of a run with its clock: (step, value, seconds since 1970), without values that were not finite."""
    ask = "select step, value, time from training_metric where run = ? and name = ? and value is not null order by step"
    return connection.execute(ask, [run, name]).fetchall()


def answers(connection: sqlite3.Connection, subject: str, answers_key: str | None) -> list[Answer]:
    """The answers of a subject, in the order in which they were made; of one set when `answers_key` names it."""
    rows = connection.execute(
        "select sample, text, num_prompt_tokens, num_tokens, finish from answer"
        " where subject = ?1 and (?2 is null or answers_key = ?2) order by rowid",
        [subject, answers_key],
    )
    return [Answer(**row) for row in _named(rows)]


def answer_keys(connection: sqlite3.Connection, subject: str) -> list[str]:
    """The sets of answers that a subject has given."""
    ask = "select answers_key from answer_set where subject = ? order by answers_key"
    return [row[0] for row in connection.execute(ask, [subject])]


def samples(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Sample]:
    """The samples of these ids that a prepared dataset holds; their groups are not kept here."""
    ask = "select id, messages, text, facts from sample where id in (select value from json_each(?))"
    found = connection.execute(ask, [json.dumps(list(ids))])
    return {
        row["id"]: Sample(
            id=row["id"],
            messages=tuple(json.loads(row["messages"])),
            text=row["text"],
            facts=json.loads(row["facts"]),
        )
        for row in _named(found)
    }


def evaluations(connection: sqlite3.Connection, outputs: Path, subject: str) -> list[EvaluationRow]:
    """All evaluations of a subject, by evaluator."""
    rows = connection.execute("select * from evaluation where subject = ? order by evaluator, measure", [subject])
    return [
        EvaluationRow(
            counts=json.loads(row["counts"]),
            files=tuple(json.loads(row["files"])),
            folder=outputs / row["folder"],
            **{name: row[name] for name in ("subject", "measure", "evaluator", "seconds")},
        )
        for row in _named(rows)
    ]


def details(connection: sqlite3.Connection, subject: str, measure: str) -> dict[str, Any]:
    """What an evaluator has to say about each sample."""
    asked = connection.execute("select sample, json from detail where subject = ? and measure = ?", [subject, measure])
    return {sample: json.loads(text) for sample, text in asked}


def _named(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _run(row: dict[str, Any], outputs: Path) -> RunRow:
    own = row.pop("group_name")
    del row["made"]  # asked for by reports alone
    groups = sorted({*json.loads(row["groups"]), *([own] if own else [])})
    read = {name: json.loads(row[name]) for name in ("report", "config")}
    return RunRow(**row | read | {"folder": outputs / row["folder"], "groups": tuple(groups)})


def _array(text: str, num_samples: int) -> NDArray[np.float64]:
    found = np.array(from_json(text), dtype=np.float64)  # null becomes nan; ten times as fast as json.loads
    missing = num_samples - len(found)
    return np.pad(found, (0, missing), constant_values=np.nan) if missing > 0 else found
