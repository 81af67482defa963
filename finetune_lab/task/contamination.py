"""Whether the rows that the evaluators score stand in the training data: a report for people."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt
from rich.console import Console
from rich.table import Table

from finetune_lab.fingerprint import fingerprint
from finetune_lab.lab import Lab
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.preparing.contamination import KINDS, Limits, Seen, Training, counted
from finetune_lab.preparing.filtering import text_of
from finetune_lab.text.terminal import one_line, visible

log = logging.getLogger(__name__)
_EXAMPLES = 5
_CHARACTERS = 200


@plugin
class Contamination:
    """Hold every evaluator's rows, and the data's own validation and test rows, against the training rows.

    same text, same prompt: but for case and spacing. near: the Jaccard similarity of runs of `near_size` units is
    `near` or more. covered: of the row's runs of `covered_size` a share of `covered` stands somewhere in training.
    """

    unit: Literal["word", "character"]
    near_size: PositiveInt
    near: float = Field(gt=0, le=1)
    covered_size: PositiveInt
    covered: float = Field(gt=0, le=1)

    def execute(self, lab: Lab) -> None:
        lab.data.check()
        limits = Limits(
            unit=self.unit,
            near_size=self.near_size,
            near=self.near,
            covered_size=self.covered_size,
            covered=self.covered,
        )
        training = lab.split("train")
        known = Training(training, limits)
        asked = {f"split {name}": lab.split(name) for name in ("validation", "test")}
        asked |= {f"eval {name}": lab.rows(evaluator) for name, evaluator in lab.evaluators.items()}
        found = {name: known.seen(rows) for name, rows in asked.items() if rows}
        key = fingerprint(self, [row.id for row in training], [[name, [r.id for r in asked[name]]] for name in found])
        folder = lab.outputs / "contamination" / f"{lab.names.data}-{key}"
        write_report(folder, found, limits, about=f"{lab.names.data}: {len(training)} training rows")
        Console(highlight=False, emoji=False).print(_table(found, limits))
        log.info("report:   %s", folder / "report.md")


def write_report(folder: Path, found: Mapping[str, Sequence[Seen]], limits: Limits, *, about: str) -> None:
    """report.md with counts and examples; rows.jsonl with every row that was seen; counts.json."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"of": name, **one.to_json(limits)}) + "\n"
        for name, rows in found.items()
        for one in rows
        if one.kinds(limits)
    ]
    write_atomically(folder / "rows.jsonl", "".join(lines))
    counts = {name: counted(rows, limits) for name, rows in found.items()}
    write_atomically(folder / "counts.json", json.dumps(counts, indent=2))
    write_atomically(folder / "report.md", _markdown(found, limits, about))


def _markdown(found: Mapping[str, Sequence[Seen]], limits: Limits, about: str) -> str:
    heads = ["of", "rows", *KINDS, "any"]
    parts = [
        f"# Contamination of {_quoted(about)}\n",
        f"near: Jaccard similarity of runs of {limits.near_size} {limits.unit}s is {limits.near:g} or more. "
        f"covered: {limits.covered:.0%} or more of a row's runs of {limits.covered_size} stand in training rows. "
        "Every row that was seen: rows.jsonl.\n",
        f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}",
    ]
    for name, rows in found.items():
        parts.append(f"| {' | '.join([name, *map(str, counted(rows, limits).values())])} |")
    for name, rows in found.items():
        seen = [one for one in rows if one.kinds(limits)][:_EXAMPLES]
        parts += [f"\n## {name}\n"] if seen else []
        for one in seen:
            kinds = ", ".join(one.kinds(limits))
            like = one.same_text or one.same_prompt or one.near
            where = f", like training row {like}" if like else ""
            parts.append(f"- {one.row.id} ({kinds}{where}):\n\n      {_quoted(text_of(one.row, 'all'))}\n")
    return "\n".join(parts) + "\n"


def _quoted(text: str) -> str:
    """One line of a stranger's text, for a block of code, in which Markdown means nothing."""
    flat = visible(" ".join(text.split()))
    return flat if len(flat) <= _CHARACTERS else f"{flat[: _CHARACTERS - 1]}…"


def _table(found: Mapping[str, Sequence[Seen]], limits: Limits) -> Table:
    table = Table(title="rows that stand in training", title_justify="left", box=None, pad_edge=False)
    for name in ("of", "rows", *KINDS, "any"):
        table.add_column(name, justify="left" if name == "of" else "right")
    for name, rows in found.items():
        table.add_row(one_line(name, 30), *map(str, counted(rows, limits).values()))
    return table
