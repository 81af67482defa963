"""Rows of one's own: a JSON, JSONL, CSV or Parquet file in any of the shapes that people have."""

from pathlib import Path
from typing import Any

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import file_digest
from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.licence import licence_beside
from finetune_lab.preparing.pipeline import Unanswered, Undesirable, convert, write_splits
from finetune_lab.preparing.shapes import ShapeName
from finetune_lab.preparing.splitting import Split
from finetune_lab.preparing.tables import read_table


@plugin
class Jsonl:
    """`path` is the file. `group_by` names a field whose rows stay in one split; `facts` what evaluators read."""

    path: Path
    shape: ShapeName
    unanswered: Unanswered
    undesirable: Undesirable
    group_by: str | None
    facts: tuple[str, ...]
    split: Split
    filters: Filters

    def identity(self) -> dict[str, Any]:
        """The content of the file, not its place."""
        self.check()
        return {
            "file": file_digest(self.path),
            "shape": self.shape,
            "unanswered": self.unanswered,
            "undesirable": self.undesirable,
            "group_by": self.group_by,
            "facts": self.facts,
            "split": self.split,
            **described(self.filters),
        }

    def check(self) -> None:
        """Raise WorldError when the file is not there."""
        if not self.path.is_file():
            near = ", ".join(sorted(p.name for p in self.path.parent.glob("*.json*"))[:5])
            raise WorldError(f"data.path: there is no file {self.path}" + (f"; beside it: {near}" if near else ""))

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write the splits; raises DataError naming file and row."""
        found = convert(
            read_table(self.path),
            shape=self.shape,
            unanswered=self.unanswered,
            undesirable=self.undesirable,
            group_by=self.group_by,
            facts=self.facts,
        )
        source = {"source": self.path.name, "licence": licence_beside(self.path)}
        return write_splits(folder, found, self.split, source, self.filters)
