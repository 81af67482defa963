"""Filters in their order, each over what the one before it let through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal

from finetune_lab.preparing.converted import Converted, Dropped, Step
from finetune_lab.preparing.reading import Row
from finetune_lab.protocols import Filter
from finetune_lab.records import Candidate, Sample

Filters = Mapping[str, Any]  # by the name of their YAML, in the order in which they run
Part = Literal["prompt", "answer", "learned", "all"]


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """What came through all filters, the steps, and `ties`: names (by sample id) that rows of one split share.

    `changed`: the ids of those that a filter gave facts to.
    """

    samples: tuple[Sample, ...]
    steps: tuple[Step, ...]
    ties: Mapping[str, tuple[str, ...]]
    changed: frozenset[str]


def run_filters(converted: Converted, filters: Filters) -> Filtered:
    """Pass the samples through every filter. No row is lost: what a filter lets through and drops is what it got."""
    rows = [candidate(sample, converted.rows) for sample in converted.samples]
    steps, ties = [converted.reading()], dict[str, tuple[str, ...]]()
    for name, one in filters.items():
        kept, dropped, alike = _passed(name, one, rows)
        steps.append(Step(name=name, rows_in=len(rows), rows_out=len(kept), dropped=tuple(dropped)))
        for one_id, like in alike:  # a name that both share, so that it holds the others also where one goes later
            for tied in (one_id, like):
                ties[tied] = (*ties.get(tied, ()), f"{name}: {like}")
        rows = kept
    samples = tuple(row.sample for row in rows)
    own = {sample.id: sample for sample in converted.samples}
    changed = frozenset(sample.id for sample in samples if sample is not own[sample.id])
    return Filtered(samples=samples, steps=tuple(steps), ties=ties, changed=changed)


def _passed(
    name: str, one: Filter, rows: Sequence[Candidate]
) -> tuple[list[Candidate], list[Dropped], list[tuple[str, str]]]:
    kept, dropped, likes = [], [], []
    for row, verdict in zip(rows, one.keep(rows), strict=True):  # strict: a verdict for every row
        if verdict.reason is None:
            facts = {**row.sample.facts, **verdict.facts}
            kept.append(replace(row, sample=replace(row.sample, facts=facts)) if verdict.facts else row)
            if verdict.like is not None:
                likes.append((row.sample.id, verdict.like))
        else:
            raw = Row(fields=dict(row.fields), place=row.place)
            dropped.append(Dropped(row=raw, reason=verdict.reason, step=name, detail=verdict.detail))
    return kept, dropped, likes


def candidate(sample: Sample, rows: Mapping[str, Row]) -> Candidate:
    """A sample as filters see it, with the row that it was."""
    row = rows.get(sample.id) or Row(fields=sample.to_json(), place=f"row {sample.id}")
    return Candidate(sample=sample, fields=row.fields, place=row.place)


def check_filters(source: Any) -> None:
    """Let the filters of a data source look at the world before anything is read: whether their packages are there."""
    for one in getattr(source, "filters", {}).values():
        getattr(one, "check", lambda: None)()  # a filter has one where it needs more than the rows


def described(filters: Filters) -> dict[str, Any]:
    """What belongs into the identity of a data source: the filters in order; nothing where there are none."""
    return {"filters": [[name, one] for name, one in filters.items()]} if filters else {}


def text_of(sample: Sample, part: Part) -> str:
    """The text of a row that a filter looks at.

    prompt: all turns before the answer; answer: the last turn, where it is the assistant's; learned: every turn of the
    assistant; all: every turn. Plain text is its own answer, and has no prompt.
    """
    if sample.text is not None:
        return "" if part == "prompt" else sample.text
    asked = [message["content"] for message in sample.prompt]
    answered = [sample.reference] if sample.reference is not None else []
    learned = [message["content"] for message in sample.messages if message["role"] == "assistant"]
    return "\n".join({"prompt": asked, "answer": answered, "learned": learned, "all": asked + answered}[part])


def value_of(row: Candidate, name: str) -> Any:
    """What is known of a row under `name`: among its facts, or in the fields that it was read with; None if nothing.

    A name with dots goes into fields within fields: `author.followers`.
    """
    for known in (row.sample.facts, row.fields):
        found: Any = known
        for part in [name] if name in known else name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is not None:
            return found
    return None


def number_of(row: Candidate, name: str) -> float | None:
    """`value_of` as a number; None for what is none, and for what is not finite."""
    value = value_of(row, name)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None
