"""A report as Markdown: the same sentences and figures, the first rows of each table, samples in fences."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from finetune_lab.reporting.asking import Found
from finetune_lab.reporting.forms import formed, shown
from finetune_lab.reporting.parts import (
    Block,
    Cell,
    Chart,
    Code,
    Column,
    Prose,
    Query,
    ReportData,
    Said,
    Samples,
    Table,
    Tiles,
)
from finetune_lab.text.terminal import visible

MOST_ROWS = 40  # of a table; the HTML file and the store hold all
MOST_SAMPLES = 20
_MARKS = {mark: f"\\{mark}" for mark in "\\`*_{}[]<>#|~!"}


def markdown(report: ReportData) -> str:
    """The whole file. What models and configs say is escaped, or fenced: it never becomes markup."""
    lines = [f"# {escaped(report.group)}", "", f"Report of {escaped(str(report.made['time']))}.", ""]
    for section in report.sections:
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            lines += [*_block(block, report), ""]
        if section.name == "origins":
            lines += list(_questions(report))
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text on one line in which nothing is Markdown."""
    flat = " ".join(visible(text).split())
    return "".join(_MARKS.get(mark, mark) for mark in flat)


def _block(block: Block, report: ReportData) -> Iterator[str]:
    match block:
        case Prose():
            start = {"item": "- ", "callout": "> "}.get(block.kind, "")
            yield start + _said(block.said)
        case Tiles():
            yield from (f"- {one.label}: **{_said((one.cell,))}** {_said(one.note)}" for one in block.tiles)
        case Code():
            yield from fenced("\n".join(block.lines), "sh")
        case Table():
            yield from _table(block, report.queries[block.query])
        case Chart():
            yield f"**{block.title}** (drawn in report.html; {block.query}). {_said(block.described)}"
        case Samples():
            yield from _samples(Found(query=report.queries[block.prompts]), Found(query=report.queries[block.answers]))


def _said(said: Said) -> str:
    """A sentence, with the questions that its figures come from behind it."""
    text = "".join(escaped(shown(part)) if isinstance(part, Cell) else part for part in said).strip()
    asked = sorted({part.query for part in said if isinstance(part, Cell)}, key=lambda name: int(name[1:]))
    return f"{text} [{', '.join(asked)}]" if asked else text


def _table(table: Table, query: Query) -> Iterator[str]:
    yield f"**{table.title}** ({query.name})"
    yield ""
    places = [(query.columns.index(column.name), column) for column in table.columns]
    used = [(place, column) for place, column in places if any(row[place] is not None for row in query.rows)]
    yield "| " + " | ".join(escaped(column.head) for _, column in used) + " |"
    yield "|" + "---|" * len(used)
    for row in query.rows[:MOST_ROWS]:
        yield "| " + " | ".join(escaped(_cell(row[place], column)) for place, column in used) + " |"
    if len(query.rows) > MOST_ROWS:
        yield ""
        yield f"and {len(query.rows) - MOST_ROWS} rows more, in report.html and by {query.name}"


def _cell(value: Any, column: Column) -> str:
    return column.missing if value is None else formed(value, column.form)


def _samples(prompts: Found, answers: Found) -> Iterator[str]:
    keys = list(zip(answers.column("answers_key"), answers.column("sample"), range(len(answers)), strict=True))
    of = {key: [row for *_, row in some] for key, some in groupby(keys, lambda one: one[:2])}
    for place in range(min(len(prompts), MOST_SAMPLES)):
        sample = prompts.value(place, "sample")
        yield f"### {escaped(sample)}"
        yield from _text("asked", prompts.value(place, "prompt"))
        yield from _text("due", prompts.value(place, "due"))
        for row in of.get((prompts.value(place, "answers_key"), sample), []):
            yield from _text(answers.value(row, "arm"), answers.value(row, "text"))
    if len(prompts) > MOST_SAMPLES:
        yield f"and {len(prompts) - MOST_SAMPLES} samples more in report.html"


def _text(title: str, text: Any) -> Iterator[str]:
    if text is not None:
        yield f"{escaped(title)}:"
        yield from fenced(visible(text), "text")
        yield ""


def fenced(text: str, language: str) -> Iterator[str]:
    """The text as it is, in a fence that it does not hold itself."""
    fence = "```"
    while fence in text:
        fence += "`"
    yield f"{fence}{language}"
    yield text
    yield fence


def _questions(report: ReportData) -> Iterator[str]:
    yield "### The questions"
    yield ""
    for query in report.queries.values():
        yield f"**{query.name}** {query.title}"
        yield from fenced(query.sql, "sql")
        named = [f"`:{name}` = {escaped(str(value))}" for name, value in query.parameters.items()]
        yield from ["", ", ".join(named), ""]
