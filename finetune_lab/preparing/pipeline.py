"""From raw rows to split samples on disk, with every dropped row counted and kept for reading."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from finetune_lab.errors import ConfigError, DataError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.shapes import SHAPES, ShapeError, recognise, said, to_messages
from finetune_lab.preparing.splitting import Split
from finetune_lab.records import Sample

log = logging.getLogger(__name__)
Unanswered = Literal["error", "drop", "keep"]


@dataclass(kw_only=True)
class Converted:
    """Samples, and the raw rows that were left out, by reason."""

    samples: list[Sample] = field(default_factory=list)
    dropped: list[tuple[str, Row]] = field(default_factory=list)
    shapes: Counter[str] = field(default_factory=Counter)


def convert(
    rows: Iterable[Row],
    *,
    shape: str = "auto",
    unanswered: Unanswered = "error",
    group_by: str | None = None,
    facts: Sequence[str] = (),
) -> Converted:
    """Turn raw rows into samples. Raises DataError for the first row that has no known shape, with its place.

    Rows without an answer are an error that says how many there are and which is the first, unless
    `unanswered` says to drop or keep them. A row that stands twice is kept once.
    """
    done, missing, seen = Converted(), [], set()
    for row in rows:
        sample, name = _sample(row, shape, group_by, facts)
        done.shapes[name] += 1
        if sample.text is None and sample.reference is None and unanswered != "keep":
            missing.append((row, name))
            done.dropped.append(("no answer", row))
        elif sample.id in seen:
            done.dropped.append(("stands twice", row))
        else:
            seen.add(sample.id)
            done.samples.append(sample)
    if missing and unanswered == "error":
        row, name = missing[0]
        total = sum(done.shapes.values())
        raise DataError(
            f"{len(missing)} of {total} rows have no answer (field {SHAPES[name][1]!r} missing or empty), "
            f"the first at {row.place}; data.unanswered=drop leaves them out"
        )
    return done


def _sample(row: Row, shape: str, group_by: str | None, facts: Sequence[str]) -> tuple[Sample, str]:
    try:
        name = recognise(row.fields) if shape == "auto" else shape
        messages = to_messages(row.fields, name)
        text = said(row.fields["text"], "text") if name == "text" else None
        group = said(str(row.fields.get(group_by, "")), group_by) if group_by else ""
    except ShapeError as error:
        raise DataError(f"{row.place}: {error}") from None
    absent = [key for key in (group_by, *facts) if key is not None and key not in row.fields]
    if absent:
        raise DataError(f"{row.place}: field {absent[0]!r} is missing; the row has: {', '.join(row.fields)}")
    return Sample.of(messages=messages, text=text, group=group, facts={key: row.fields[key] for key in facts}), name


def write_splits(folder: Path, converted: Converted, split: Split, source: dict[str, Any]) -> dict[str, Any]:
    """Write `<split>.jsonl` and dropped.jsonl into `folder`; return the note. Raises DataError for no rows to train."""
    splits = split.assign(converted.samples)
    empty = [name for name, rows in splits.items() if not rows and getattr(split, name) > 0]
    if empty:
        raise DataError(
            f"split {' and '.join(empty)} got no rows: {len(converted.samples)} rows are too few for shares of "
            f"{split.train:g}/{split.validation:g}/{split.test:g}; change data.split or bring more rows"
        )
    for name, rows in splits.items():
        lines = (json.dumps(sample.to_json(), ensure_ascii=True) + "\n" for sample in rows)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    with (folder / "dropped.jsonl").open("w", encoding="utf-8") as stream:
        for reason, row in converted.dropped:
            stream.write(json.dumps({"reason": reason, "place": row.place, "row": row.fields}, default=str) + "\n")
    dropped = dict(Counter(reason for reason, _ in converted.dropped))
    note = {
        **source,
        "rows_read": sum(converted.shapes.values()),
        "shapes": dict(converted.shapes),
        "dropped": dropped,
        "splits": {
            name: {"rows": len(rows), "digest": fingerprint([row.id for row in rows])} for name, rows in splits.items()
        },
    }
    log.info("data     %s", summary(note))
    return note


def read_split(folder: Path, split: str) -> tuple[Sample, ...]:
    """The rows of a prepared split; raises ConfigError for a name that is not there."""
    path = folder / f"{split}.jsonl"
    if not path.exists():
        known = ", ".join(sorted(found.stem for found in folder.glob("*.jsonl")))
        raise ConfigError(f"there is no split {split!r} in {folder}; it has: {known}")
    with path.open(encoding="utf-8") as lines:
        return tuple(Sample.from_json(json.loads(line)) for line in lines)


def summary(note: dict[str, Any]) -> str:
    """One line for people: shapes, rows in, rows out by split, rows dropped by reason."""
    shapes = ", ".join(f"{name} ({count})" for name, count in note["shapes"].items())
    splits = ", ".join(f"{name} {entry['rows']}" for name, entry in note["splits"].items())
    dropped = ", ".join(f"{count} {reason}" for reason, count in note["dropped"].items()) or "none"
    return f"{note['rows_read']} rows read as {shapes}; {splits}; dropped: {dropped}"
