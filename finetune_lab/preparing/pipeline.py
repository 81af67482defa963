"""From raw rows to split samples on disk, with every dropped row counted and kept for reading."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from finetune_lab.errors import ConfigError, DataError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.preparing.card import write_card
from finetune_lab.preparing.converted import Converted, Dropped, Step
from finetune_lab.preparing.families import Settled, settle
from finetune_lab.preparing.filtering import Filters, candidate, run_filters, value_of
from finetune_lab.preparing.licence import UNKNOWN
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.shapes import SHAPES, recognise, to_messages
from finetune_lab.preparing.splitting import SPLITS, Split
from finetune_lab.preparing.turns import ShapeError, said
from finetune_lab.records import Sample

log = logging.getLogger(__name__)
DROPPED = "dropped.jsonl"
Unanswered = Literal["error", "drop", "keep"]
Undesirable = Literal["drop", "keep"]


def convert(
    rows: Iterable[Row],
    *,
    shape: str = "auto",
    unanswered: Unanswered = "error",
    undesirable: Undesirable = "drop",
    group_by: str | None = None,
    facts: Sequence[str] = (),
) -> Converted:
    """Turn raw rows into samples. Raises DataError for the first row that has no known shape, with its place.

    Rows without an answer are an error that says how many there are and which is the first, unless
    `unanswered` says to drop or keep them. Answers that people judged bad (KTO) are dropped unless `undesirable` says
    to keep them: whoever learns from answers alone would learn them. A row that stands twice is kept once.
    """
    done, missing = Converted(), []
    for row in rows:
        sample, name = _sample(row, shape, group_by, facts)
        done.shapes[name] += 1
        if sample.text is None and sample.reference is None and unanswered != "keep":
            missing.append((row, name))
            done.drop("no answer", row)
        elif undesirable == "drop" and sample.facts.get("desirable") is False:
            done.drop("undesirable answer", row)
        else:
            done.add(sample, row)
    if missing and unanswered == "error":
        row, name = missing[0]
        raise DataError(
            f"{len(missing)} of {done.num_read} rows have no answer (field {SHAPES[name].answer!r} missing or empty), "
            f"the first at {row.place}; data.unanswered=drop leaves them out"
        )
    return done


def _sample(row: Row, shape: str, group_by: str | None, facts: Sequence[str]) -> tuple[Sample, str]:
    try:
        name = recognise(row.fields) if shape == "auto" else shape
        messages = to_messages(row.fields, name)
        text = said(row.fields["text"], "text") if name == "text" else None
        own = SHAPES[name].facts(row.fields)
        group = said(str(row.fields.get(group_by, "")), group_by) if group_by else ""
    except ShapeError as error:
        raise DataError(f"{row.place}: {error}") from None
    absent = [key for key in (group_by, *facts) if key is not None and key not in row.fields]
    if absent:
        raise DataError(f"{row.place}: field {absent[0]!r} is missing; the row has: {', '.join(row.fields)}")
    known = own | {key: row.fields[key] for key in facts}
    return Sample.of(messages=messages, text=text, group=group, facts=known), name


def write_splits(
    folder: Path, converted: Converted, split: Split, source: dict[str, Any], filters: Filters | None = None
) -> dict[str, Any]:
    """Filter, split, write `<split>.jsonl`, dropped.jsonl and the data card into `folder`; return the note.

    Rows read = rows written + rows dropped, always. Raises DataError for a split that gets no rows.
    """
    filtered = run_filters(converted, filters or {})
    settled = settle(
        filtered.samples,
        split,
        keys={one.id: (*converted.keys.get(one.id, ()), *filtered.ties.get(one.id, ())) for one in filtered.samples},
        changed=filtered.changed,
        strata=_strata(filtered.samples, converted, split),
    )
    steps = [*filtered.steps, *_fallen(settled, converted)]
    splits = settled.splits
    _check_filled(splits, split, steps)
    dropped = [one for step in steps for one in step.dropped]
    num_out = sum(map(len, splits.values()))
    assert converted.num_read == num_out + len(dropped), "a row was lost without a reason"
    for name, rows in splits.items():
        _write_lines(folder / f"{name}.jsonl", (sample.to_json() for sample in rows))
    _write_lines(folder / DROPPED, (one.to_json() for one in dropped))
    note = {
        "licence": UNKNOWN,
        **source,
        "rows_read": converted.num_read,
        "shapes": dict(converted.shapes),
        "dropped": dict(Counter(one.counted_as for one in dropped)),
        "steps": [step.to_json() for step in steps],
        "splits": {name: {"rows": len(rows), "digest": _digest(rows)} for name, rows in splits.items()},
        "digest": _digest([row for rows in splits.values() for row in rows]),
    }
    write_card(folder, note, splits)
    log.info("data     %s", summary(note))
    return note


def _digest(rows: Sequence[Sample]) -> str:
    return fingerprint([row.id for row in rows])


def _strata(samples: Sequence[Sample], converted: Converted, split: Split) -> dict[str, str]:
    """The stratum of every sample, by its id. Raises DataError for a row that has none, where the split wants one."""
    if split.stratify is None:
        return {}
    rows = [candidate(sample, converted.rows) for sample in samples]
    found = {row.sample.id: value_of(row, split.stratify) for row in rows}
    missing = next((row for row in rows if found[row.sample.id] is None), None)
    if missing is not None:
        raise DataError(f"{missing.place}: no {split.stratify}, which data.split.stratify names")
    return {name: str(value) for name, value in found.items()}


def _fallen(settled: Settled, converted: Converted) -> list[Step]:
    """Splitting as a step, where rows fell out of it."""
    rows = converted.rows
    dropped = tuple(Dropped(row=rows[one.id], reason=why, step="splitting") for one, why in settled.fallen)
    num_out = sum(map(len, settled.splits.values()))
    return [Step(name="splitting", rows_in=num_out + len(dropped), rows_out=num_out, dropped=dropped)] * bool(dropped)


def _check_filled(splits: Mapping[str, Sequence[Sample]], split: Split, steps: Sequence[Step]) -> None:
    empty = [name for name, rows in splits.items() if not rows and getattr(split, name) > 0]
    if not empty:
        return
    num_out = sum(map(len, splits.values()))
    lost = ", ".join(f"{step.name} dropped {step.rows_in - step.rows_out}" for step in steps if step.dropped)
    raise DataError(
        f"split {' and '.join(empty)} got no rows: {num_out} rows are too few for shares of "
        f"{split.train:g}/{split.validation:g}/{split.test:g}"
        + (f" (of {steps[0].rows_in} that were read {lost})" if lost else "")
        + "; change data.split or bring more rows"
    )


def _write_lines(path: Path, values: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(value, ensure_ascii=True, default=str) + "\n" for value in values)


def read_split(folder: Path, split: str) -> tuple[Sample, ...]:
    """The rows of a prepared split; raises ConfigError for a name that is not there."""
    path = folder / f"{split}.jsonl"
    if not path.exists():
        known = ", ".join(name for name in SPLITS if (folder / f"{name}.jsonl").exists())
        raise ConfigError(f"there is no split {split!r} in {folder}; it has: {known}")
    with path.open(encoding="utf-8") as lines:
        return tuple(Sample.from_json(json.loads(line)) for line in lines)


def summary(note: dict[str, Any]) -> str:
    """One line for people: shapes, rows in, rows out by split, rows dropped by reason."""
    shapes = ", ".join(f"{name} ({count})" for name, count in note["shapes"].items())
    splits = ", ".join(f"{name} {entry['rows']}" for name, entry in note["splits"].items())
    dropped = ", ".join(f"{count} {reason}" for reason, count in note["dropped"].items()) or "none"
    return f"{note['rows_read']} rows read as {shapes}; {splits}; dropped: {dropped}"
