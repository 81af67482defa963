"""What a report is made of: cells with their origin, sentences, tables, charts, sections. Plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Form = Literal["number", "signed", "count", "seconds", "bytes", "p", "flag", "text", "time"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One value of one answer of the store: where it stands, and how it is shown to people."""

    query: str
    row: int
    column: str
    value: Any
    form: Form = "number"


Said = tuple[str | Cell, ...]  # a sentence: words of our own, without figures, and cells


@dataclass(frozen=True, kw_only=True)
class Prose:
    """A paragraph, or with `kind` item a line of a list; lead is set larger, callout in a frame."""

    said: Said
    kind: Literal["paragraph", "lead", "item", "note", "callout"] = "paragraph"


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One figure that the eye finds first."""

    label: str
    cell: Cell
    unit: Cell | str = ""
    note: Said = ()


@dataclass(frozen=True, kw_only=True)
class Tiles:
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: its name in the answer, its head with the unit, and its form."""

    name: str
    head: str
    form: Form = "text"
    missing: str = "–"  # what stands where there is no value


@dataclass(frozen=True, kw_only=True)
class Table:
    query: str
    title: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A picture of one answer. `kind` and `uses` are for assets/report/charts.js; `described` says it in words.

    `uses` maps the parts of a picture (x, y, low, high, arm, shape, …) to columns, and its axes to their names.
    """

    kind: Literal["forest", "curves", "scatter", "bars", "matrix"]
    query: str
    title: str
    described: Said
    uses: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What was asked and what was answered, side by side, with a search."""

    prompts: str
    answers: str


@dataclass(frozen=True, kw_only=True)
class Code:
    lines: tuple[str, ...]


Block = Prose | Tiles | Table | Chart | Samples | Code


@dataclass(frozen=True, kw_only=True)
class Gap:
    """What was not measured, and the line that would measure it."""

    what: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """One heading and what stands under it; `gaps` are told in a section of their own."""

    name: str
    title: str
    blocks: tuple[Block, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Query:
    """A question that was asked of the store, with its answer."""

    name: str
    title: str
    sql: str
    parameters: Mapping[str, Any]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """A whole report, before it has a form. `best`: arms from the best down, by the metric that it rests on."""

    group: str
    made: Mapping[str, Any]
    sections: tuple[Section, ...]
    queries: Mapping[str, Query]
    bases: tuple[str, ...] = ()
    best: tuple[str, ...] = ()
