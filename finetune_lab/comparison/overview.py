"""All arms of one base in one table: what each scored, and whether it is shown to differ from the base."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from finetune_lab.maths.compare import Difference
from finetune_lab.text.tables import STYLES, WIDTH, metric_text, number, printable

MARKS = {"better": "▲", "worse": "▼", "same": "=", "unclear": "?"}
LEGEND = "beside its base an arm is ▲ better, ▼ worse, = not shown to differ, ? unclear"
MOST_COLUMNS = 5  # arms; more do not fit 80 columns, and stand in the files


def overviews(differences: Sequence[Difference]) -> Iterator[Table]:
    """One table for each base that two arms or more were compared with."""
    beside_base = [one for one in differences if one.num_reference_seeds == 0]
    for base in dict.fromkeys(one.reference_label for one in beside_base):
        rows = [one for one in beside_base if one.reference_label == base]
        arms = list(dict.fromkeys(one.candidate_label for one in rows))
        if len(arms) > 1:
            yield _overview(base, arms, rows)


def _overview(base: str, arms: Sequence[str], rows: Sequence[Difference]) -> Table:
    shown = arms[:MOST_COLUMNS]
    more = f", the first {len(shown)} of {len(arms)} arms" if len(arms) > len(shown) else ""
    title = Text(f"all arms{more}", style="bold")
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=title,
        title_justify="left",
        width=WIDTH,
        caption=LEGEND,
        caption_justify="left",
    )
    table.add_column("metric", overflow="fold", ratio=1)
    for name in (base, *shown):
        table.add_column(Text(printable(name)), justify="right", overflow="fold", max_width=14)
    by_metric: dict[tuple[str, str], dict[str, Difference]] = {}
    for row in rows:
        by_metric.setdefault((row.evaluator, row.name), {})[row.candidate_label] = row
    for found in by_metric.values():
        first = next(iter(found.values()))
        table.add_row(Text(metric_text(first)), number(first.reference), *(_cell(found.get(arm)) for arm in shown))
    return table


def _cell(row: Difference | None) -> Text:
    if row is None:
        return Text("–")
    return Text.assemble(number(row.candidate), " ", (MARKS[row.verdict], STYLES.get(row.verdict, "")))
