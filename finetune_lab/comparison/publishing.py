"""A comparison as a tracker shows it: one run for the group, with its tables, charts, and a page of text."""

from collections.abc import Iterator, Sequence
from typing import Any

from finetune_lab.comparison.report import Report, as_record
from finetune_lab.fingerprint import fingerprint
from finetune_lab.maths.compare import Difference
from finetune_lab.protocols import Session
from finetune_lab.records import RunCard
from finetune_lab.text.tables import flat


def card_of(group: str) -> RunCard:
    """The tracker's run of a group's comparison: always the same one, so that a newer comparison replaces an older."""
    return RunCard(
        key=fingerprint("comparison", group), base="", label=f"comparison of {group}", group=group, model="", data="",
        method="compare", seed=0, config={"group": group}, job="comparison",
    )  # fmt: skip


def publish(report: Report, session: Session) -> None:
    """Show a comparison: every table, a bar chart of each metric's differences, the figures, and a page of text."""
    for name, rows in report.sheets().items():
        if rows:
            session.table(name, *_table([flat(as_record(row)) for row in rows]))
    for metric in dict.fromkeys(_metric(one) for one in report.differences):
        session.chart(f"difference of {metric}", ("pair", "difference"), _bars(report.differences, metric))
    session.summarise(dict(_figures(report)))
    session.page(f"Comparison of {report.group}", list(_lines(report)))


def _table(cells: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    columns = list(dict.fromkeys(name for row in cells for name in row))
    return columns, [[row.get(name) for name in columns] for row in cells]


def _bars(differences: Sequence[Difference], metric: str) -> list[list[Any]]:
    return [[_pair(one), one.difference] for one in differences if _metric(one) == metric]


def _figures(report: Report) -> Iterator[tuple[str, float]]:
    for one in report.differences:
        if one.difference is not None:
            yield f"difference/{_pair(one)}/{_metric(one)}", one.difference
    for arm in report.ranking:
        if arm.score is not None:
            yield f"composite/{arm.label}", arm.score


def _lines(report: Report) -> Iterator[str]:
    """Each difference in a sentence, each decision, and what was left out."""
    for one in report.differences:
        interval = "–" if one.low is None else f"[{one.low:.4g}, {one.high:.4g}]"
        value = "–" if one.difference is None else f"{one.difference:+.4g}"
        yield f"{_pair(one)}, {_metric(one)}: {value} {interval}, {one.verdict}"
    for decided in report.decisions:
        yield f"decision: {decided.label}: {decided.outcome}"
    for left in report.left_out:
        yield f"left out: {left}"


def _pair(one: Difference) -> str:
    return f"{one.reference_label} → {one.candidate_label}"


def _metric(one: Difference) -> str:
    return f"{one.evaluator}/{one.name}"
