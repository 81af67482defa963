"""What people decided about rows: one line of JSON for each decision, only ever added to, made for version control."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, get_args

from finetune_lab.errors import DataError
from finetune_lab.maths.agreement import Measured, kappa
from finetune_lab.preparing.reading import Row, read_rows
from finetune_lab.records import Sample

Kind = Literal["keep", "drop", "edit", "relabel"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`text`: the answer (or plain text) as it should be, for an edit; `label`: for a relabel. `time` is UTC."""

    row: str
    decision: Kind
    reviewer: str
    time: str
    text: str | None = None
    label: str | None = None

    @property
    def outcome(self) -> tuple[Kind, str | None, str | None]:
        """What becomes of the row: two reviewers agree if this is the same."""
        return self.decision, self.text, self.label

    @property
    def category(self) -> str:
        """What agreement is counted over: the kind, and the label where there is one. Edits are of one kind."""
        return self.decision if self.label is None else f"{self.decision}: {self.label}"


def now() -> str:
    """The time as decisions note it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def append_decision(path: Path, decision: Decision) -> None:
    """Add one line, on disk when this returns. Several reviewers may write to one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {name: value for name, value in asdict(decision).items() if value is not None}
    line = json.dumps(said, ensure_ascii=False, sort_keys=True) + "\n"
    with path.open("ab+", buffering=0) as stream:  # one write to the end of the file: lines of two do not mix
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, end - 1))
        torn = end > 0 and stream.read(1) != b"\n"
        stream.write(("\n" if torn else "").encode() + line.encode("utf-8", "surrogatepass"))
        os.fsync(stream.fileno())


def read_decisions(path: Path) -> list[Decision]:
    """All decisions in their order; none where there is no file yet. Raises DataError naming file and line."""
    if not path.exists() or path.stat().st_size == 0:
        return []
    return [_decision(row) for row in read_rows(path)]


def _decision(row: Row) -> Decision:
    known = Decision.__dataclass_fields__
    unknown = [name for name in row.fields if name not in known]
    absent = [name for name in ("row", "decision", "reviewer", "time") if name not in row.fields]
    if unknown or absent:
        wrong = f"unknown field {unknown[0]!r}" if unknown else f"field {absent[0]!r} is missing"
        raise DataError(f"{row.place}: {wrong}; a decision has: {', '.join(known)}")
    odd = [name for name, value in row.fields.items() if not isinstance(value, str)]
    if odd:
        raise DataError(f"{row.place}: {odd[0]!r} should be text, got {type(row.fields[odd[0]]).__name__}")
    if row.fields["decision"] not in KINDS:
        raise DataError(f"{row.place}: decision {row.fields['decision']!r} is not known; known: {', '.join(KINDS)}")
    needed = {"edit": "text", "relabel": "label"}.get(row.fields["decision"])
    if needed and needed not in row.fields:
        raise DataError(f"{row.place}: {row.fields['decision']!r} needs the field {needed!r}")
    return Decision(**row.fields)


def latest(decisions: Iterable[Decision]) -> dict[str, dict[str, Decision]]:
    """Row -> reviewer -> what that reviewer said last, reviewers in the order in which they first spoke."""
    found: dict[str, dict[str, Decision]] = {}
    for one in decisions:
        found.setdefault(one.row, {})[one.reviewer] = one
    return found


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """How far two reviewers agree on the rows that both have seen."""

    reviewers: tuple[str, str]
    num_rows: int
    share: float
    kappa: Measured
    differ: tuple[str, ...]  # rows


def agreements(decisions: Iterable[Decision]) -> list[Agreed]:
    """Every pair of reviewers that has rows in common."""
    by_row = latest(decisions)
    reviewers = sorted({name for said in by_row.values() for name in said})
    return [one for pair in combinations(reviewers, 2) if (one := _agreed(pair, by_row)) is not None]


def _agreed(pair: tuple[str, str], by_row: Mapping[str, Mapping[str, Decision]]) -> Agreed | None:
    shared = {row: [said[name].category for name in pair] for row, said in by_row.items() if set(pair) <= said.keys()}
    if not shared:
        return None
    kinds = sorted({kind for both in shared.values() for kind in both})
    counted = Counter(tuple(both) for both in shared.values())
    differ = tuple(row for row, (one, other) in shared.items() if one != other)
    return Agreed(
        reviewers=pair,
        num_rows=len(shared),
        share=1 - len(differ) / len(shared),
        kappa=kappa([[counted[one, other] for other in kinds] for one in kinds]),
        differ=differ,
    )


def settled(said: Mapping[str, Decision], arbiter: str | None) -> Decision | None:
    """What holds for a row: what all say, or else what the arbiter says; None where they differ."""
    if arbiter is not None and arbiter in said:
        return said[arbiter]
    outcomes = {one.outcome for one in said.values()}
    return next(iter(said.values())) if len(outcomes) == 1 else None


def applied(sample: Sample, decision: Decision, *, label: str) -> Sample | None:
    """The row as it was decided, under its old group; None for one that goes. `label` names the fact of a relabel."""
    if decision.decision == "drop":
        return None
    if decision.decision == "keep":
        return sample
    if decision.decision == "relabel":
        facts = {**sample.facts, label: decision.label}
        return Sample.of(messages=sample.messages, text=sample.text, group=sample.group, facts=facts)
    return edited(sample, decision.text or "")


def answer_of(sample: Sample) -> str:
    """What an edit would change: the plain text, the answer, or nothing yet."""
    return sample.text if sample.text is not None else sample.reference or ""


def edited(sample: Sample, text: str) -> Sample:
    """The row with another answer (or plain text), under its old group."""
    if sample.text is not None:
        return Sample.of(text=text, group=sample.group, facts=sample.facts)
    turns: Sequence[Any] = [*sample.prompt, {"role": "assistant", "content": text}]
    return Sample.of(messages=turns, group=sample.group, facts=sample.facts)
