"""Rows that people have reviewed: a source of its own, made of another one and a file of decisions."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

from finetune_lab.errors import DataError, WorldError
from finetune_lab.fingerprint import file_digest
from finetune_lab.plugin import plugin
from finetune_lab.preparing.converted import Converted
from finetune_lab.preparing.decisions import Decision, agreements, applied, latest, read_decisions, settled
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.pipeline import read_split, write_splits
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.splitting import SPLITS, Split
from finetune_lab.records import Sample


@plugin
class Reviewed:
    """The rows of the source `of`, as the `decisions` of task=review leave them.

    Rows that nobody looked at are dropped or kept (`unreviewed`); rows on which reviewers differ are settled by what
    `arbiter` (a reviewer) says, or else are dropped or an error (`disagreement`). A relabel sets the fact `label`.
    """

    of: Any
    decisions: Path
    unreviewed: Literal["drop", "keep"]
    disagreement: Literal["error", "drop"]
    arbiter: str | None
    label: str
    split: Split
    filters: Filters

    def identity(self) -> dict[str, Any]:
        """The content of both, not their places."""
        self._check_file()
        return {
            "of": self.of,
            "decisions": file_digest(self.decisions),
            "unreviewed": self.unreviewed,
            "disagreement": self.disagreement,
            "arbiter": self.arbiter,
            "label": self.label,
            "split": self.split,
            **described(self.filters),
        }

    def check(self) -> None:
        """Raise WorldError when the file of decisions or what it is about is not there."""
        self.of.check()
        self._check_file()

    def _check_file(self) -> None:
        if not self.decisions.is_file():
            raise WorldError(
                f"data.decisions: there is no file {self.decisions}; task=review with the same data makes one"
            )

    def prepare(self, folder: Path) -> dict[str, Any]:
        inner = folder / "of"
        inner.mkdir(exist_ok=True)
        about = self.of.prepare(inner)
        decisions = read_decisions(self.decisions)
        rows = [row for name in SPLITS for row in read_split(inner, name)]
        source = {"of": about, **_told(decisions, {row.id for row in rows})}
        return write_splits(folder, self._converted(rows, decisions), self.split, source, self.filters)

    def _converted(self, rows: Sequence[Sample], decisions: Sequence[Decision]) -> Converted:
        said, done = latest(decisions), Converted()
        for sample in rows:
            row = Row(fields=sample.to_json(), place=f"row {sample.id}")
            done.shapes["reviewed" if sample.id in said else "not reviewed"] += 1
            if sample.id not in said:
                if self.unreviewed == "drop":
                    done.drop("not reviewed", row)
                else:
                    done.add(sample, row)
                continue
            decision = settled(said[sample.id], self.arbiter)
            if decision is None and self.disagreement == "error":
                who = ", ".join(f"{one.reviewer}: {one.category}" for one in said[sample.id].values())
                raise DataError(
                    f"{self.decisions}: the reviewers of {row.place} differ ({who}); "
                    "data.arbiter=NAME takes one's word, data.disagreement=drop leaves such rows out"
                )
            changed = applied(sample, decision, label=self.label) if decision else None
            if changed is None:
                done.drop("dropped in review" if decision else "reviewers differ", row)
            else:
                done.add(changed, row)
        return done


def _told(decisions: Sequence[Decision], rows: Collection[str]) -> dict[str, Any]:
    """For the note: decisions by kind, those about rows of something else, and how far the reviewers agree."""
    own = [one for one in decisions if one.row in rows]
    pairs = [
        {"reviewers": one.reviewers, "rows": one.num_rows, "agree": one.share, "kappa": _known(one.kappa.value)}
        for one in agreements(own)
    ]
    kinds = dict(Counter(one.decision for one in own))
    return {"decisions": kinds, "decisions_about_other_rows": len(decisions) - len(own), "agreement": pairs}


def _known(value: float) -> float | None:
    return value if value == value else None
