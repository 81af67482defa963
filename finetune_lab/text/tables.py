"""Tables for people, in 80 columns. Labels come from configs and are shown as they are, never as markup."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any, Protocol

from rich import box
from rich.table import Table
from rich.text import Text

STYLES = {"better": "green", "worse": "red", "same": "dim", "unclear": "yellow"}
WIDTH = 80


class Compared(Protocol):
    """What a row needs; maths.compare.Difference fits."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def higher_is_better(self) -> bool: ...
    @property
    def reference_label(self) -> str: ...
    @property
    def candidate_label(self) -> str: ...
    @property
    def reference(self) -> float | None: ...
    @property
    def candidate(self) -> float | None: ...
    @property
    def difference(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def confidence(self) -> float: ...
    @property
    def interval(self) -> str: ...
    @property
    def test(self) -> str: ...
    @property
    def adjustment(self) -> str: ...
    @property
    def num_pairs(self) -> int: ...
    @property
    def num_seeds(self) -> int: ...
    @property
    def num_reference_seeds(self) -> int: ...
    @property
    def verdict(self) -> str: ...
    @property
    def caveats(self) -> Sequence[str]: ...


def difference_table(rows: Sequence[Compared]) -> Table:
    """The metrics of one candidate beside its reference: values, difference, interval, verdict."""
    first = rows[0] if rows else None
    confidence = f"{100 * first.confidence:g} % interval" if first else "interval"
    names = (printable(first.reference_label), printable(first.candidate_label)) if first else ("base", "tuned")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=_title(rows), title_justify="left", width=WIDTH)
    table.add_column("metric", overflow="fold", ratio=1)
    for name in names:
        table.add_column(Text(name, overflow="ellipsis", no_wrap=True), justify="right", no_wrap=True, max_width=10)
    table.add_column("difference", justify="right", no_wrap=True)
    table.add_column(confidence, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(metric_text(row)),
            number(row.reference),
            number(row.candidate),
            number(row.difference, signed=True),
            "–" if row.low is None else f"[{number(row.low, signed=True)}, {number(row.high, signed=True)}]",
            Text(row.verdict, style=STYLES.get(row.verdict, "")),
        )
    return table


def caveat_lines(rows: Sequence[Compared]) -> list[str]:
    """What must stand below a table: its caveats, then its methods."""
    return [*shared_caveats(rows), *method_lines(rows)]


def shared_caveats(rows: Sequence[Compared]) -> list[str]:
    """One line for each caveat, with the metrics that it holds for unless these are all."""
    sentences: dict[str, list[str]] = {}
    for row in rows:
        for caveat in row.caveats:
            sentences.setdefault(printable(caveat), []).append(printable(row.name))
    return [
        sentence if len(names) == len(rows) else f"{', '.join(dict.fromkeys(names))}: {sentence}"
        for sentence, names in sentences.items()
    ]


def method_lines(rows: Sequence[Compared]) -> list[str]:
    """Which intervals and tests were used, and the family that p-values were adjusted over."""
    if not rows:
        return []
    intervals, tests, families = (
        "; ".join(dict.fromkeys(value for row in rows if (value := getattr(row, field)) not in ("", "none")))
        for field in ("interval", "test", "adjustment")
    )
    return [f"intervals: {intervals}. tests: {tests}. p adjusted: {families}"] if intervals else []


def number(value: float | None, *, signed: bool = False) -> str:
    """Four significant digits, three for a difference; a dash for what is not known."""
    if value is None:
        return "–"
    return f"{value:+.3g}" if signed else f"{value:.4g}"


def printable(text: str) -> str:
    """The text without line breaks, escape sequences and what turns the direction of writing."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def metric_text(row: Compared) -> str:
    """The name of a metric with its direction and unit."""
    arrow = "↑" if row.higher_is_better else "↓"
    return f"{printable(row.name)} {arrow}" + (f" ({printable(row.unit)})" if row.unit else "")


def _title(rows: Sequence[Compared]) -> Text | None:
    if not rows:
        return None
    row = rows[0]
    many = f"{row.num_reference_seeds} × {row.num_seeds}" if row.num_reference_seeds > 1 else f"{row.num_seeds}"
    seeds = f", {many} seeds" if max(row.num_reference_seeds, row.num_seeds) > 1 else ""
    pairs = sorted({other.num_pairs for other in rows})
    counted = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    title = f"{printable(row.reference_label)} → {printable(row.candidate_label)}  ({counted} pairs{seeds})"
    return Text(title, style="bold")


def csv_of(rows: Sequence[Any]) -> str:
    """Frozen records as CSV, one line each; records and tuples in a field become columns and cells of their own.

    The first of several effects stands for them; sentences share a cell.
    """
    return csv_of_cells([flat(asdict(row)) for row in rows])


def csv_of_cells(cells: Sequence[Mapping[str, Any]]) -> str:
    """Rows of cells as CSV; the columns are all names that occur."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, list(dict.fromkeys(name for row in cells for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    return lines.getvalue()


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """One record as cells: what csv_of says of records, tuples and effects."""
    cells: dict[str, Any] = {}
    for name, value in plain(row).items():
        if name == "effects":
            cells |= {f"effect_{key}": item for key, item in (value[0] if value else {}).items()}
        elif isinstance(value, dict):
            cells |= {f"{key} {name}": item for key, item in value.items()}
        else:
            cells[name] = "; ".join(value) if isinstance(value, list) else value
    return cells


def plain(node: Any) -> Any:
    """The same value as JSON can hold it: no NaN, no tuple."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [plain(value) for value in node]
    return None if isinstance(node, float) and not isfinite(node) else node
