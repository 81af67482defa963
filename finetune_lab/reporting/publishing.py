"""A report as a tracker shows it: in the run of the group's comparison, with tables, charts, a page and the files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from finetune_lab.comparison.publishing import card_of
from finetune_lab.preparing.card import CARD
from finetune_lab.protocols import Session, Tracker
from finetune_lab.reporting.asking import Found
from finetune_lab.reporting.page import words_of
from finetune_lab.reporting.parts import Chart, Prose, Query, ReportData, Table, Tiles
from finetune_lab.store.catalogue_use import PLACES

MOST_ROWS = 2000  # of one table
ADAPTER = "adapter"  # below a run's folder


def keep_files(store: Any, outputs: Path, run: str, session: Session) -> None:
    """Give the tracker what a run left behind that is kept in versions: its adapter, and the card of its data."""
    asked = store.ask(PLACES, {"run": run})
    for folder, data_folder, data in asked.rows:
        adapter = sorted(path for path in (outputs / folder / ADAPTER).glob("*") if path.is_file())
        card = outputs / data_folder / CARD if data_folder else None
        if adapter:
            session.files(f"adapter-{run}", "adapter", adapter)
        if card is not None and card.exists():
            session.files(f"data-{data}", "data_card", [card])


def publish(report: ReportData, tracker: Tracker, outputs: Path, paths: Sequence[Path]) -> None:
    """Show a report in the one tracker run of its group; a newer one replaces it."""
    with tracker.session(card_of(report.group), outputs) as session:
        show(report, session)
        kept = [path for path in paths if path.exists()]
        if kept:
            session.files(f"report-{report.group}", "report", kept)


def show(report: ReportData, session: Session) -> None:
    """Every table, a bar chart of every picture that has one bar a name, and the sentences as a page."""
    for name in dict.fromkeys(_drawn(report)):
        query = report.queries[name]
        if query.rows:
            session.table(f"report/{query.title}", query.columns, [list(row) for row in query.rows[:MOST_ROWS]])
    for chart in (block for section in report.sections for block in section.blocks if isinstance(block, Chart)):
        for title, rows in _bars(chart, report.queries[chart.query]):
            session.chart(f"report/{title}", (chart.uses["y"], chart.uses["x"]), rows)
    session.page(f"Report of {report.group}", list(_sentences(report)))


def _drawn(report: ReportData) -> Iterator[str]:
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, (Table, Chart)):
                yield block.query


def _bars(chart: Chart, query: Query) -> Iterator[tuple[str, list[list[object]]]]:
    """The bars of a chart whose rows have a name and a length, one picture for each choice that it offers."""
    if chart.kind != "forest" or not query.rows:
        return
    found, pick = Found(query=query), chart.uses.get("pick")
    for choice in dict.fromkeys(found.column(pick)) if pick else [None]:
        places = found.where(**{pick: choice}) if pick else range(len(found))
        rows = [[found.value(place, chart.uses[side]) for side in ("y", "x")] for place in places]
        yield f"{chart.title}{f', {choice}' if pick else ''}", rows


def _sentences(report: ReportData) -> Iterator[str]:
    for section in report.sections:
        yield section.title
        for block in section.blocks:
            if isinstance(block, Prose):
                yield words_of(block.said)
            if isinstance(block, Tiles):
                yield from (f"{tile.label}: {words_of((tile.cell,))} {words_of(tile.note)}" for tile in block.tiles)
