"""Questions of a report to the store, numbered, so that each figure can name the one that it comes from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune_lab.reporting.parts import Cell, Form, Query


@dataclass(frozen=True, kw_only=True)
class Found:
    """One answer: rows to look through, and cells that know where they stand."""

    query: Query

    def __len__(self) -> int:
        return len(self.query.rows)

    @property
    def name(self) -> str:
        return self.query.name

    def value(self, row: int, column: str) -> Any:
        return self.query.rows[row][self.query.columns.index(column)]

    def cell(self, row: int, column: str, form: Form = "number") -> Cell:
        return Cell(query=self.name, row=row, column=column, value=self.value(row, column), form=form)

    def column(self, name: str) -> list[Any]:
        place = self.query.columns.index(name)
        return [row[place] for row in self.query.rows]

    def has(self, column: str) -> bool:
        """Whether any row has a value there."""
        return any(value is not None for value in self.column(column))

    def where(self, **wanted: Any) -> Iterator[int]:
        """The places of the rows that hold these values."""
        columns = {name: self.column(name) for name in wanted}
        for row in range(len(self)):
            if all(columns[name][row] == value for name, value in wanted.items()):
                yield row


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a report is asked for. `parameters` are those of its questions, as SQLite takes them.

    `uses` with their names and `measured_by`; `measured_by`: section -> the overrides that would fill it. `overrides`
    of one run of the group, from which such a line is made; `program` begins it.
    """

    group: str
    parameters: Mapping[str, Any]
    uses: Sequence[Mapping[str, Any]]
    measured_by: Mapping[str, str]
    currency: str
    program: str
    overrides: Sequence[str] = ()


class Asking:
    """Asks with the parameters of one report, each question once; the first is q1."""

    def __init__(self, store: Any, wanted: Wanted) -> None:
        self._store = store
        self._wanted = wanted
        self.parameters = {**wanted.parameters, "group": wanted.group}
        self.uses = wanted.uses
        self.currency = wanted.currency
        self.queries: dict[str, Query] = {}
        self._known: dict[str, Found] = {}

    def __call__(self, title: str, sql: str) -> Found:
        if sql not in self._known:
            name = f"q{len(self.queries) + 1}"
            asked = self._store.ask(sql.strip(), self.parameters)
            query = Query(
                name=name,
                title=title,
                sql=asked.sql,
                parameters=asked.parameters,
                columns=asked.columns,
                rows=asked.rows,
            )
            self.queries[name] = query
            self._known[sql] = Found(query=query)
        return self._known[sql]

    def line(self, section: str = "") -> str:
        """The command line that would fill a section: that of a run, with the parts replaced that it is about."""
        more = self._wanted.measured_by.get(section, "").split()
        parts = [one.partition("=")[0] for one in more]
        kept = [one for one in self._wanted.overrides if not any(_of(one, part) for part in parts)]
        return " ".join([self._wanted.program, *kept, f"group={self._wanted.group}", *more])


def _of(override: str, part: str) -> bool:
    """Whether an override is about `part` or something below it."""
    path = override.lstrip("+~").partition("=")[0].partition("@")
    return any(name == part or name.startswith(f"{part}.") for name in (path[0], path[2]) if name)
