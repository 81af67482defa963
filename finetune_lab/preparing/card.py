"""The data card: what was read, what every step let through, what is there now; Markdown beside the prepared rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from finetune_lab.preparing.figures import bars, histogram
from finetune_lab.preparing.filtering import text_of
from finetune_lab.preparing.licence import UNKNOWN
from finetune_lab.records import Sample
from finetune_lab.text.markdown import cell, quoted

CARD = "data_card.md"
LENGTHS, LABELS = "lengths.svg", "labels.svg"
_NUM_SAMPLES = 3
_LABEL_FACTS = ("label", "severity", "type", "topic", "desirable")
_MOST_LABELS = 20


def write_card(folder: Path, note: Mapping[str, Any], splits: Mapping[str, Sequence[Sample]]) -> None:
    """Write data_card.md and its figures into `folder`. What rows say is escaped: it is text that others wrote."""
    rows = [sample for samples in splits.values() for sample in samples]
    lengths = {part: [len(text_of(row, part)) for row in rows] for part in ("prompt", "answer")}
    (folder / LENGTHS).write_text(histogram(lengths, title="Lengths", unit="characters"), encoding="utf-8")
    labels = _labels(rows)
    if labels:
        (folder / LABELS).write_text(bars(next(iter(labels.values())), title=next(iter(labels))), encoding="utf-8")
    parts = [
        *_head(note),
        *_steps(note),
        *_splits(note, splits),
        *_lengths(splits),
        *_balance(labels),
        *_duplicates(splits),
        *_samples(splits),
    ]
    (folder / CARD).write_text("\n".join(parts) + "\n", encoding="utf-8")


def _head(note: Mapping[str, Any]) -> list[str]:
    shapes = ", ".join(f"{name} ({count})" for name, count in note["shapes"].items())
    about = {
        "source": note.get("source", "not named"),
        "commit": note.get("commit"),
        "licence": note.get("licence", UNKNOWN),
        "read as": shapes,
        "digest": note["digest"],
    }
    lines = [f"- {name}: {cell(str(value))}" for name, value in about.items() if value]
    return ["# Data card", "", *lines, ""]


def _steps(note: Mapping[str, Any]) -> list[str]:
    lines = ["## Rows in and out", "", "| step | in | out | dropped |", "|---|---:|---:|---|"]
    for step in note["steps"]:
        why = "; ".join(f"{count} {cell(reason)}" for reason, count in step["dropped"].items())
        lines.append(f"| {cell(step['step'])} | {step['rows_in']} | {step['rows_out']} | {why} |")
    for step in note["steps"]:
        if step["examples"]:
            lines += ["", f"Dropped by {cell(step['step'])}, for example:", ""]
            lines += [
                f"- {cell(one['reason'])} {cell(one['detail'])}: {quoted(one['row'])}" for one in step["examples"]
            ]
    return [*lines, ""]


def _splits(note: Mapping[str, Any], splits: Mapping[str, Sequence[Sample]]) -> list[str]:
    lines = ["## Splits", "", "| split | rows | groups | digest |", "|---|---:|---:|---|"]
    for name, rows in splits.items():
        groups = len({row.group for row in rows})
        lines.append(f"| {name} | {len(rows)} | {groups} | {note['splits'][name]['digest']} |")
    return [*lines, ""]


def _lengths(splits: Mapping[str, Sequence[Sample]]) -> list[str]:
    """Characters and turns."""
    lines = ["## Lengths", "", "| split | part | least | median | 95 % | most |", "|---|---|---:|---:|---:|---:|"]
    for name, rows in splits.items():
        for part in ("prompt", "answer") if rows else ():
            sizes = sorted(len(text_of(row, part)) for row in rows)
            high = sizes[min(int(0.95 * len(sizes)), len(sizes) - 1)]
            lines.append(f"| {name} | {part}, characters | {sizes[0]} | {median(sizes):g} | {high} | {sizes[-1]} |")
        if rows:
            turns = sorted(len(row.messages) for row in rows)
            high = turns[min(int(0.95 * len(turns)), len(turns) - 1)]
            lines.append(f"| {name} | turns | {turns[0]} | {median(turns):g} | {high} | {turns[-1]} |")
    return [*lines, "", f"![lengths]({LENGTHS})", ""]


def _labels(rows: Sequence[Sample]) -> dict[str, dict[str, int]]:
    """By fact, how often each of its values stands there; facts of very many values are no labels."""
    found = {}
    for fact in _LABEL_FACTS:
        counts = Counter(str(row.facts[fact]) for row in rows if fact in row.facts)
        if counts and len(counts) <= _MOST_LABELS:
            found[fact] = dict(counts.most_common())
    return found


def _balance(labels: Mapping[str, Mapping[str, int]]) -> list[str]:
    if not labels:
        return []
    lines = ["## Labels", "", "| fact | value | rows | share |", "|---|---|---:|---:|"]
    for fact, counts in labels.items():
        total = sum(counts.values())
        lines += [f"| {fact} | {cell(name)} | {num} | {num / total:.1%} |" for name, num in counts.items()]
    return [*lines, "", f"![labels]({LABELS})", ""]


def _duplicates(splits: Mapping[str, Sequence[Sample]]) -> list[str]:
    """Prompts that stand more than once but for case and spacing, within splits and across them."""
    places: dict[str, list[str]] = {}
    for name, rows in splits.items():
        for row in rows:
            asked = text_of(row, "prompt") or text_of(row, "answer")
            places.setdefault(" ".join(asked.lower().split()), []).append(name)
    repeated = sum(len(names) - 1 for names in places.values())
    across = sum(len(set(names)) > 1 for names in places.values())
    told = "Same prompt (or text, where there is no prompt), but for case and spacing: "
    return ["## Duplicates", "", f"{told}{repeated} rows repeat an earlier one; {across} stand in two splits.", ""]


def _samples(splits: Mapping[str, Sequence[Sample]]) -> list[str]:
    lines = ["## Samples", ""]
    for name, rows in splits.items():
        for row in rows[:_NUM_SAMPLES]:
            said = [f"{turn['role']}: {quoted(turn['content'])}" for turn in row.messages] or [quoted(row.text or "")]
            lines += [f"{name} {row.id}", "", *(f"- {part}" for part in said), ""]
    return lines
