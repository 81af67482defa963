"""Which rows a reviewer still has to look at, and what may be decided about them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from finetune_lab.preparing.decisions import (
    KINDS,
    Decision,
    Kind,
    answer_of,
    append_decision,
    latest,
    now,
    read_decisions,
)
from finetune_lab.records import Sample


class NotPossibleError(ValueError):
    """Something that cannot be decided about this row; the message says why, for the person who reviews."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """For the reviewer: rows done (by anybody who had to), rows in all, and own decisions by kind."""

    done: int
    total: int
    own: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ReviewQueue:
    """`rows` under review by `reviewer`; the file of decisions is all that is remembered, so a review goes on anywhere.

    A share of `twice` of the rows, chosen by their ids, is for two reviewers; of the others each is for one.
    """

    rows: Sequence[Sample]
    decisions: Path
    reviewer: str
    twice: float
    label: str
    labels: tuple[str, ...]
    skipped: list[str] = field(default_factory=list)  # for this sitting only

    def next_row(self) -> Sample | None:
        """The first open row; skipped ones come last, in turn; None when nothing is left."""
        turn = {name: place for place, name in enumerate(self.skipped, start=1)}
        return min(self.open_rows(), key=lambda row: turn.get(row.id, 0), default=None)

    def skip(self, row: Sample) -> None:
        """Put a row behind all others, for this sitting."""
        if row.id in self.skipped:
            self.skipped.remove(row.id)
        self.skipped.append(row.id)

    def open_rows(self) -> list[Sample]:
        """The rows that this reviewer should still look at, in order."""
        said = latest(read_decisions(self.decisions))
        return [row for row in self.rows if not self._is_done(row, set(said.get(row.id, ())))]

    def _is_done(self, row: Sample, reviewers: set[str]) -> bool:
        return self.reviewer in reviewers or len(reviewers) >= self.num_reviews(row)

    def num_reviews(self, row: Sample) -> int:
        """How many reviewers a row is for: a matter of its id alone, so everybody sees the same."""
        place = int.from_bytes(sha256(f"review:{row.id}".encode()).digest()[:8]) / 2**64
        return 2 if place < self.twice else 1

    def progress(self) -> Progress:
        """How far the review is."""
        ids = {row.id for row in self.rows}
        found = latest(read_decisions(self.decisions))
        own: Counter[str] = Counter(
            said[self.reviewer].decision for row, said in found.items() if self.reviewer in said and row in ids
        )
        return Progress(done=len(self.rows) - len(self.open_rows()), total=len(self.rows), own=dict(own))

    def last_own(self) -> Sample | None:
        """The row that this reviewer decided last, to look at again."""
        known = {row.id: row for row in self.rows}
        own = [one.row for one in read_decisions(self.decisions) if one.reviewer == self.reviewer and one.row in known]
        return known[own[-1]] if own else None

    def row(self, name: str) -> Sample:
        """A row by its id. Raises NotPossibleError for one that is not under review."""
        found = next((row for row in self.rows if row.id == name), None)
        if found is None:
            raise NotPossibleError("this row is not under review")
        return found

    def decide(self, row: Sample, kind: str, *, text: str | None = None, label: str | None = None) -> None:
        """Write a decision down. Raises NotPossibleError, with nothing written, for one that makes no sense."""
        made = Decision(
            row=row.id,
            decision=self._kind(kind),
            reviewer=self.reviewer,
            time=now(),
            text=self._text(row, text or "") if kind == "edit" else None,
            label=self._label(label or "") if kind == "relabel" else None,
        )
        append_decision(self.decisions, made)

    def _kind(self, kind: str) -> Kind:
        for known in KINDS:
            if kind == known:
                return known
        raise NotPossibleError(f"unknown decision {kind!r}; known: {', '.join(KINDS)}")

    def _text(self, row: Sample, text: str) -> str:
        if not text.strip():
            raise NotPossibleError("an edit needs text; to leave the row out, drop it")
        if text == answer_of(row):
            raise NotPossibleError("the text is unchanged; to leave it as it is, keep the row")
        return text

    def _label(self, label: str) -> str:
        if not label.strip():
            raise NotPossibleError("a relabel needs a label")
        if self.labels and label not in self.labels:
            raise NotPossibleError(f"unknown label {label!r}; known: {', '.join(self.labels)}")
        return label
