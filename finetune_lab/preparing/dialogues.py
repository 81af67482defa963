"""Dialogues of two people as turns: the first speaker asks, the second answers."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from finetune_lab.preparing.converted import Converted
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.turns import turn
from finetune_lab.records import Sample

Exchange = Literal["whole", "pairs"]


def add_dialogue(found: Converted, lines: Sequence[str], *, exchange: Exchange, group: str, place: str) -> None:
    """Add what a dialogue gives: one row (whole: every second line is an answer, and the last one is) or one for every
    line and the line that answers it (pairs). A dialogue without an answer, or with an empty line, is dropped.
    """
    about: dict[str, Any] = {"lines": list(lines)}
    found.shapes["dialogue"] += 1
    row = Row(fields=about, place=place)
    if any(not line.strip() for line in lines):
        found.drop("an empty line", row)
    elif len(lines) < 2:
        found.drop("no answer", row)
    elif exchange == "whole":
        found.add(_sample(lines[: len(lines) // 2 * 2], group), row)
    else:
        _add_pairs(found, lines, group, row)


def _add_pairs(found: Converted, lines: Sequence[str], group: str, row: Row) -> None:
    """Every pair is a row of its own, so the dialogue counts as so many."""
    found.shapes["dialogue"] += len(lines) - 2
    for number, pair in enumerate(pairwise(lines), start=1):
        found.add(_sample(pair, group), Row(fields={"lines": list(pair)}, place=f"{row.place}, pair {number}"))


def _sample(lines: Sequence[str], group: str) -> Sample:
    roles = ("user", "assistant")
    return Sample.of(messages=[turn(roles[n % 2], line.strip()) for n, line in enumerate(lines)], group=group)
