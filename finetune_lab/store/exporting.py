"""Every table and view of the store, cut down to what belongs to one group, as rows for files."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# what a group is made of; every table is cut down by the first of its columns that stands here
_MEMBERS = """with own_run(key) as (select run from member where group_name = :group
    union select key from run where group_name = :group),
own_subject(key) as (select key from own_run union select base from member where group_name = :group
    union select base from run where key in (select key from own_run)),
own_measure(key) as (select measure from evaluation where subject in (select key from own_subject)),
own_sample(key) as (select sample from measure_sample where measure in (select key from own_measure)
    union select sample from answer where subject in (select key from own_subject)),
own_data(key) as (select data_key from run where key in (select key from own_run))
"""
_CUTS = (
    ("group_name", "= :group"),
    ("run", "in (select key from own_run)"),
    ("subject", "in (select key from own_subject)"),
    ("measure", "in (select key from own_measure)"),
    ("sample", "in (select key from own_sample)"),
)
_OWN_CUTS = {
    "run": "key in (select key from own_run)",
    "dataset": "key in (select key from own_data)",
    "datasets": "key in (select key from own_data)",
    "sample": "id in (select key from own_sample)",
}
_INTERNAL = ("indexed_folder",)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One table or view: its name, its columns, and its rows in their order."""

    name: str
    columns: tuple[str, ...]
    rows: list[dict[str, Any]]


def sheets(connection: sqlite3.Connection, group: str) -> Iterator[Sheet]:
    """Every table and view of the group, by name; tables of the index itself are left out."""
    ask = "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%' order by name"
    for (name,) in connection.execute(ask).fetchall():
        if name in _INTERNAL:
            continue
        columns = tuple(row[1] for row in connection.execute(f"pragma table_info({name})"))
        cut = _OWN_CUTS.get(name) or next(f"{column} {how}" for column, how in _CUTS if column in columns)
        # table, column and condition are names of our own; the group is bound
        found = connection.execute(f"{_MEMBERS} select * from {name} where {cut}", {"group": group})
        yield Sheet(name=name, columns=columns, rows=[dict(zip(columns, row, strict=True)) for row in found])
