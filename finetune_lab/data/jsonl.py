"""Rows of one's own: a JSON or JSONL file in any of the shapes that people have."""

from pathlib import Path
from typing import Any, Literal

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import file_digest
from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.pipeline import Unanswered, convert, write_splits
from finetune_lab.preparing.reading import read_rows
from finetune_lab.preparing.splitting import Split


@plugin
class Jsonl:
    """`path` is the file. `group_by` names a field whose rows stay in one split; `facts` what evaluators read."""

    path: Path
    shape: Literal["auto", "messages", "sharegpt", "alpaca", "prompt_completion", "question_answer", "text"]
    unanswered: Unanswered
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
        rows = read_rows(self.path)
        found = convert(rows, shape=self.shape, unanswered=self.unanswered, group_by=self.group_by, facts=self.facts)
        return write_splits(folder, found, self.split, {"source": self.path.name}, self.filters)
