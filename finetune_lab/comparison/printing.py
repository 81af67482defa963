"""The parts of a report that stand below its tables of differences, for people, in 80 columns."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from finetune_lab.comparison.report import Effect, Report
from finetune_lab.comparison.strengths import Strength
from finetune_lab.comparison.training import Trained
from finetune_lab.maths.compare import Difference
from finetune_lab.text.tables import STYLES, WIDTH, number, printable
from finetune_lab.text.units import bytes_text, duration_text

MOST_ROWS = 40  # of a section on the screen; the files hold all


def tally_line(report: Report, rows: Sequence[Difference]) -> str | None:
    """Samples won, lost and level of one pair, metric by metric; None where no metric is known sample by sample."""
    pair = (rows[0].reference_label, rows[0].candidate_label)
    own = [one for one in report.tallies if (one.reference_label, one.candidate_label) == pair]
    told = [f"{printable(one.name)} {one.num_wins} / {one.num_losses} / {one.num_ties}" for one in own]
    return f"samples won / lost / level: {', '.join(told)}" if told else None


def sections(report: Report) -> Iterator[Any]:
    """Ranking, fronts, trainings, knobs and decisions, as far as there are any."""
    if report.ranking:
        yield _ranking(report)
    for front in report.fronts:
        costs = ", ".join(cost.removeprefix("training/") for cost in front.costs)
        best = ", ".join(map(printable, front.labels)) or "–"
        yield f"not beaten in {printable(front.quality)} against {costs}: {best}"
    if report.strengths:
        yield _strengths(report.strengths)
    if report.trainings:
        yield _learned(report.trainings)
        yield _costs(report.trainings)
    if report.knobs:
        yield _knobs(report.knobs)
    for one in report.decisions:
        yield from _decision(one)
    if report.decisions:
        yield report.decisions[0].declaration


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Table:
    more = f", the first {MOST_ROWS} of {len(rows)}" if len(rows) > MOST_ROWS else ""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=Text(title + more, style="bold"),
        title_justify="left",
        width=WIDTH,
    )
    for place, head in enumerate(heads):
        table.add_column(head, overflow="fold", ratio=1 if place == 0 else None, justify="right" if place else "left")
    for row in rows[:MOST_ROWS]:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    return table


def _ranking(report: Report) -> Table:
    names = list(report.ranking[0].parts)
    rows = [
        ["–" if one.rank is None else str(one.rank), one.label, number(one.score), *map(number, one.parts.values())]
        for one in report.ranking
    ]
    return _table("composite score", ["rank", "arm", "score", *names], rows)


def _strengths(found: Sequence[Strength]) -> Table:
    rows = []
    for one in found:
        low, high = number(one.low, signed=True), number(one.high, signed=True)
        interval = "–" if one.low is None else f"[{low}, {high}]"
        rows.append([one.label, one.evaluator, number(one.strength, signed=True), interval, str(one.num_pairs)])
    return _table("Bradley–Terry strengths, in logits", ["arm", "judged by", "strength", "interval", "pairs"], rows)


def _learned(found: Sequence[Trained]) -> Table:
    target = next((one.target_loss for one in found if one.target_loss is not None), None)
    heads = ["arm", "seeds", "validation loss", "± over seeds", "steps", "tokens", "time"]
    rows = [
        [
            one.label,
            str(one.num_seeds),
            number(one.best_validation_loss),
            number(one.loss_deviation),
            _reached(one, number(one.steps_to_target)),
            _reached(one, _count(one.tokens_to_target)),
            _reached(one, _seconds(one.seconds_to_target)),
        ]
        for one in found
    ]
    return _table(f"trainings; steps, tokens and time to a validation loss of {number(target)}", heads, rows)


def _costs(found: Sequence[Trained]) -> Table:
    heads = ["arm", "time", "tokens/s", "peak memory", "adapter", "trainable parameters"]
    rows = [
        [
            one.label,
            _seconds(one.wall_seconds),
            _count(one.tokens_per_second),
            _bytes(one.peak_bytes),
            _bytes(one.adapter_bytes),
            _count(one.num_trainable_parameters),
        ]
        for one in found
    ]
    return _table("what a training took, on average over seeds", heads, rows)


def _reached(one: Trained, text: str) -> str:
    return text if one.num_reached in (0, one.num_seeds) else f"{text} ({one.num_reached})"


def _seconds(value: float | None) -> str:
    return "–" if value is None else duration_text(value)


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _bytes(value: float | None) -> str:
    return "–" if value is None else bytes_text(int(value))


def _knobs(effects: Sequence[Effect]) -> Table:
    rows: list[list[str | Text]] = []
    for effect in effects:
        one = effect.difference
        interval = "–" if one.low is None else f"[{number(one.low, signed=True)}, {number(one.high, signed=True)}]"
        change = f"{one.reference_label} → {one.candidate_label.rpartition('=')[2]}"
        verdict = Text(one.verdict, style=STYLES.get(one.verdict, ""))
        rows.append([change, one.name, number(one.difference, signed=True), interval, verdict])
    return _table("effect of every knob, others as they are", ["knob", "metric", "effect", "interval", "verdict"], rows)


def _decision(one: Any) -> Iterator[str]:
    unless = "" if one.unless == one.outcome else f" ({one.unless}, if what is not known speaks against it)"
    yield printable(f"decision  {one.label}: {one.outcome}{unless}")
    for line in [*one.conditions, *one.notes]:
        yield printable(f"  {line}")
