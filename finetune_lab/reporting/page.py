"""A report as one HTML file that fetches nothing: data as JSON, scripts and libraries inside, text escaped."""

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from finetune_lab.reporting.forms import shown
from finetune_lab.reporting.parts import Block, Cell, Chart, Query, ReportData, Said, Samples, Table
from finetune_lab.text.terminal import visible

ASSETS = Path(__file__).resolve().parent.parent / "assets" / "report"
LIBRARIES = ("d3.min.js", "plot.umd.min.js")
OWN = ("core.js", "tables.js", "charts.js", "samples.js", "main.js")
MOST_FIRST = 6  # arms that curves show before anything is chosen, where there are many


def page(report: ReportData) -> str:
    """The whole file. Its policy lets no script run but those that stand in it, and nothing reach a network."""
    scripts = [_asset(name) for name in (*LIBRARIES, *OWN)]
    blocks = [block for section in report.sections for block in section.blocks]
    apart = {name for block in blocks if isinstance(block, Samples) for name in (block.prompts, block.answers)}
    drawn = {block.query for block in blocks if isinstance(block, (Chart, Table))}
    environment = Environment(
        loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    numbers = {id(block): number for number, block in enumerate(blocks)}
    environment.filters |= {
        "visible": lambda text: visible(str(text)),
        "shown": shown,
        "json_text": lambda value: json.dumps(value, ensure_ascii=False),
        "kind": lambda block: type(block).__name__,
        "number": lambda block: numbers[id(block)],
    }
    data = {
        "queries": {name: _answer(report.queries[name]) for name in sorted(drawn)},
        "blocks": [_drawn(block) for block in blocks],
        **_arms(report),
    }
    return environment.get_template("page.html").render(
        report=report,
        policy=_policy(scripts),
        style=Markup(_asset("report.css")),
        scripts=[Markup(script) for script in scripts],
        data=_json(data),
        samples=_json({name: _answer(report.queries[name]) for name in sorted(apart)}),
    )


def _drawn(block: Block) -> dict[str, Any]:
    """What a script needs of a block; the rest stands in the page already."""
    if isinstance(block, Chart):
        words = block.title + ". " + words_of(block.described)
        return {"kind": block.kind, "query": block.query, "uses": dict(block.uses), "words": words}
    return asdict(block) if isinstance(block, (Table, Samples)) else {}


def words_of(said: Said) -> str:
    """A sentence as plain text."""
    return "".join(shown(part) if isinstance(part, Cell) else part for part in said)


def _answer(query: Query) -> dict[str, Any]:
    return {"columns": query.columns, "rows": query.rows}


def _arms(report: ReportData) -> dict[str, Any]:
    """All arms of the report, bases first; and those that curves show first: the best by the first metric."""
    arms = {
        str(row[query.columns.index("arm")]): None for query in report.queries.values() for row in _with_arms(query)
    }
    bases = [arm for arm in report.bases if arm in arms]
    known = {*bases, *report.best}
    trained = [*(arm for arm in report.best if arm in arms), *(arm for arm in arms if arm not in known)]
    return {"arms": [*bases, *trained], "bases": bases, "first": trained[:MOST_FIRST]}


def _with_arms(query: Query) -> Iterable[tuple[Any, ...]]:
    return query.rows if "arm" in query.columns else ()


def _policy(scripts: Iterable[str]) -> str:
    """No network, no script but these, by their digests. Styles may be set: charts do, and they can fetch nothing."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _json(value: Any) -> Markup:
    """JSON that may stand in a script element: no text in it can end that element or open a comment."""
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark in "<>&\u2028\u2029":
        plain = plain.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(plain)


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
