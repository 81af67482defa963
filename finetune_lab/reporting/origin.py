"""The end of a report: limits, open questions, what was not measured, where everything comes from, how to repeat it."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetune_lab.reporting.asking import Asking, Wanted
from finetune_lab.reporting.parts import Block, Code, Column, Gap, Prose, Section, Table
from finetune_lab.store import catalogue_use as use


def limits(ask: Asking, gaps: Sequence[Gap], notes: Sequence[str]) -> Section:
    """What a reader must know before believing, what stays open, and what was not measured."""
    caveats, left, open_ = ask("caveats", use.CAVEATS), ask("left out", use.LEFT_OUT), ask("open", use.OPEN)
    blocks: list[Block] = [Prose(said=(note,), kind="item") for note in notes]
    blocks += [Prose(said=(left.cell(row, "sentence", "text"),), kind="item") for row in range(min(len(left), 20))]
    if len(open_):
        columns = (
            Column(name="metric", head="metric"),
            Column(name="reference", head="reference"),
            Column(name="arm", head="arm"),
            Column(name="difference", head="difference", form="signed"),
            Column(name="low", head="from", form="signed"),
            Column(name="high", head="to", form="signed"),
            Column(name="num_pairs", head="pairs", form="count"),
            Column(name="num_seeds", head="seeds", form="count"),
        )
        blocks.append(Table(query=open_.name, title="Open: too little to tell, in either direction", columns=columns))
    if len(caveats):
        told = (Column(name="caveat", head="caveat"), Column(name="num_comparisons", head="comparisons", form="count"))
        blocks.append(Table(query=caveats.name, title="Caveats of the comparisons", columns=told))
    if gaps:
        blocks.append(Prose(said=("Not measured, and the line that would measure it:",)))
        for gap in gaps:
            blocks += [Prose(said=(gap.what,), kind="item"), Code(lines=(gap.command,))]
    return Section(name="limits", title="Limits, open questions, and what was not measured", blocks=tuple(blocks))


def origins(ask: Asking) -> Section:
    """Commit, machine and data of every run; rows of every measure."""
    runs, measures, data = ask("origins", use.ORIGINS), ask("measures", use.MEASURES), ask("data", use.DATASETS)
    note = (
        "Each figure above names the question that finds it again in outputs/lab.sqlite; the questions stand below as "
        "they were asked. Pointing at a figure shows its number."
    )
    blocks: list[Block] = [Prose(said=(note,), kind="note")]
    if len(runs):
        heads = {"arm": "arm", "seed": "seed", "run": "run", "commit_id": "commit", "dirty": "changed files"}
        heads |= {"made": "finished", "hardware": "machine", "packages": "packages", "data_key": "data"}
        blocks.append(Table(query=runs.name, title="Where runs come from", columns=_texts(heads)))
    if len(data):
        heads = {"name": "data", "key": "key", "split": "split", "num_rows": "rows", "digest": "digest"}
        blocks.append(Table(query=data.name, title="Data", columns=_texts(heads)))
    if len(measures):
        heads = {"evaluator": "evaluator", "measure": "measure", "num_samples": "samples", "num_subjects": "models"}
        title = "Measures: scores under one key may be compared"
        blocks.append(Table(query=measures.name, title=title, columns=_texts(heads)))
    return Section(name="origins", title="Where each number comes from", blocks=tuple(blocks))


def _texts(heads: Mapping[str, str]) -> tuple[Column, ...]:
    forms: dict[str, Any] = {"seed": "count", "dirty": "flag", "num_rows": "count", "num_samples": "count"}
    forms |= {"num_subjects": "count", "made": "time"}
    return tuple(Column(name=name, head=head, form=forms.get(name, "text")) for name, head in heads.items())


def repeating(wanted: Wanted, lines: Sequence[str]) -> Section:
    """The command lines that make the runs, the comparison and this report again."""
    after = [f"{wanted.program} task={task} group={wanted.group}" for task in ("compare", "report")]
    said = "Finished work is found again and not done twice; the lines go on where a killed one stopped."
    blocks = (Prose(said=(said,), kind="note"), Code(lines=(*lines, *after)))
    return Section(name="repeat", title="How to repeat this", blocks=blocks)
