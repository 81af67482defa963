"""Prompts with a label, safe or unsafe: given, guessed from words and marked as guessed, or corrected by a person."""

import csv
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from finetune_lab.errors import DataError
from finetune_lab.plugin import plugin
from finetune_lab.preparing.converted import Converted
from finetune_lab.preparing.filtering import Filters
from finetune_lab.preparing.pipeline import read_split, write_splits
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.splitting import SPLITS, Split
from finetune_lab.preparing.tables import read_table
from finetune_lab.records import Sample
from finetune_lab.text.safety_words import guess

log = logging.getLogger(__name__)
TO_LABEL = "to_label.csv"
HEADER = ("prompt", "label", "suggested", "words")
Unlabelled = Literal["error", "drop", "heuristic"]
Label = Literal["safe", "unsafe"]
PLAIN: dict[str, Label] = {"safe": "safe", "unsafe": "unsafe"}


@plugin
class Columns:
    """What the columns (or fields) of a file are called; null: there is none.

    `topic` and `source` are what labels are permuted and compared within. Rows of one `group` (paraphrases, the two
    sides of a contrast) stay together; without it, prompts of the same words are a group. `answer` is a reference.
    """

    prompt: str
    label: str
    topic: str | None
    source: str | None
    group: str | None
    answer: str | None


@dataclass(kw_only=True)
class Labelling:
    """Samples with `label` and `label_source` (given, person, heuristic) among their facts, and what was left out."""

    converted: Converted = field(default_factory=Converted)
    guessed: list[Sample] = field(default_factory=list)


def label_rows(
    rows: Iterable[Row],
    *,
    columns: Columns,
    labels: Mapping[str, Label],
    unlabelled: Unlabelled,
    corrections: Mapping[str, Label] | None = None,
) -> Labelling:
    """Read every row's label by `labels` (what is written, in lower case, to what it means); `corrections` go first.

    Raises DataError for a column that is missing, a value that `labels` does not know, and for rows without a label
    unless `unlabelled` says to drop them or to guess.
    """
    done, missing = Labelling(), []
    for row in rows:
        prompt = _prompt(row, columns)
        done.converted.shapes["labelled prompts"] += 1
        if not prompt:
            done.converted.drop("no prompt", row)
            continue
        label, source = _label(row, prompt, columns, labels, corrections or {})
        if label is None and unlabelled == "heuristic":
            label, source = guess(prompt).label, "heuristic"
        if label is None:
            missing.append(row)
            done.converted.drop("no label", row)
            continue
        sample = _sample(row, prompt, columns, {"label": label, "label_source": source})
        if done.converted.add(sample, row) and source == "heuristic":
            done.guessed.append(sample)
    if missing and unlabelled == "error":
        raise DataError(
            f"{len(missing)} rows have no label (column {columns.label!r} empty), the first at {missing[0].place}; "
            "unlabelled=heuristic guesses them and writes a file to correct, unlabelled=drop leaves them out"
        )
    return done


def _prompt(row: Row, columns: Columns) -> str:
    needed = {name: getattr(columns, name) for name in ("prompt", "topic", "source", "group", "answer")}
    for name, column in needed.items():
        if column is not None and column not in row.fields:
            raise DataError(
                f"{row.place}: column {column!r} is missing (columns.{name}); the row has: {', '.join(row.fields)}"
            )
    prompt = row.fields[columns.prompt]
    if prompt is not None and not isinstance(prompt, str):
        raise DataError(f"{row.place}: {columns.prompt!r} should be text, got {type(prompt).__name__}")
    return (prompt or "").strip()


def _label(
    row: Row, prompt: str, columns: Columns, labels: Mapping[str, Label], corrections: Mapping[str, Label]
) -> tuple[Label | None, str]:
    if prompt in corrections:
        return corrections[prompt], "person"
    written = row.fields.get(columns.label)
    text = "" if written is None else str(written).strip().lower()
    if not text:
        return None, ""
    if text not in labels:
        known = ", ".join(labels)
        raise DataError(f"{row.place}: {columns.label!r} is {written!r}; known labels: {known}")
    return labels[text], "given"


def _sample(row: Row, prompt: str, columns: Columns, facts: dict[str, Any]) -> Sample:
    for name in ("topic", "source"):
        column = getattr(columns, name)
        if column is not None:
            facts[name] = str(row.fields[column] or "")
    messages = [{"role": "user", "content": prompt}]
    answer = row.fields[columns.answer] if columns.answer else None
    if isinstance(answer, str) and answer.strip():
        messages.append({"role": "assistant", "content": answer})
    group = str(row.fields[columns.group] or "") if columns.group else ""
    return Sample.of(messages=messages, group=group or same_words(prompt), facts=facts)


def same_words(prompt: str) -> str:
    """A name that prompts of the same words share, whatever their case and spacing."""
    return sha256(" ".join(prompt.lower().split()).encode()).hexdigest()[:16]


def write_labelled(
    folder: Path, done: Labelling, split: Split, source: dict[str, Any], filters: Filters | None = None
) -> dict[str, Any]:
    """Write the splits and, where labels were guessed, to_label.csv for a person; return the note."""
    note = write_splits(folder, done.converted, split, source, filters)
    if done.guessed:
        _write_to_label(folder / TO_LABEL, done.guessed)
        log.warning(
            "labels   %d of %d were guessed from words: fill the column label in a copy of %s, name it as corrections",
            len(done.guessed),
            len(done.converted.samples),
            folder / TO_LABEL,
        )
    return {**note, **_counts([sample for name in SPLITS for sample in read_split(folder, name)])}


def _counts(samples: Sequence[Sample]) -> dict[str, Any]:
    """Labels among the rows that are left, where they come from, and prompts that stand on both sides."""
    sides: dict[str, set[str]] = {}
    for sample in samples:
        sides.setdefault(same_words(sample.prompt[0]["content"]), set()).add(str(sample.facts["label"]))
    return {
        "labels": dict(Counter(str(sample.facts["label"]) for sample in samples)),
        "label_sources": dict(Counter(str(sample.facts["label_source"]) for sample in samples)),
        "prompts_with_both_labels": sum(len(found) > 1 for found in sides.values()),
    }


def _write_to_label(path: Path, samples: Sequence[Sample]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(HEADER)
        for sample in samples:
            prompt = sample.prompt[0]["content"]
            table.writerow([prompt, "", sample.facts["label"], ", ".join(guess(prompt).stems)])


def read_corrections(path: Path) -> dict[str, Label]:
    """The labels that a person wrote into a copy of to_label.csv, by prompt; rows left empty stay guesses.

    Raises DataError for a label that is neither safe nor unsafe, and for a prompt that has both.
    """
    found: dict[str, Label] = {}
    for row in read_table(path):
        absent = [name for name in HEADER[:2] if name not in row.fields]
        if absent:
            raise DataError(f"{row.place}: column {absent[0]!r} is missing; the row has: {', '.join(row.fields)}")
        prompt, written = str(row.fields["prompt"]).strip(), str(row.fields["label"] or "").strip().lower()
        if not written:
            continue
        if written not in PLAIN:
            raise DataError(f"{row.place}: label {written!r} is not known; known: {', '.join(PLAIN)}")
        if found.setdefault(prompt, PLAIN[written]) != PLAIN[written]:
            raise DataError(f"{row.place}: this prompt has another label further up")
    return found
