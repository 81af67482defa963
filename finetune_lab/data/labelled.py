"""Prompts labelled safe or unsafe, from a file of one's own: a CSV in the shape of XSTest, JSON, JSONL or Parquet."""

from pathlib import Path
from typing import Any

from pydantic import model_validator

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import file_digest
from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.labelling import Columns, Label, Unlabelled, label_rows, read_corrections, write_labelled
from finetune_lab.preparing.licence import licence_beside
from finetune_lab.preparing.splitting import Split
from finetune_lab.preparing.tables import read_table


@plugin
class Labelled:
    """`safe` and `unsafe` are what is written in the column label, in any case. `unlabelled` is what to do with rows
    without one: heuristic guesses from words, marks them, and writes to_label.csv into the prepared folder. A copy of
    it with the column label filled in is read back as `corrections`.
    """

    path: Path
    columns: Columns
    safe: tuple[str | int | bool, ...]
    unsafe: tuple[str | int | bool, ...]
    unlabelled: Unlabelled
    corrections: Path | None
    split: Split
    filters: Filters

    @model_validator(mode="after")
    def _apart(self) -> "Labelled":
        both = {str(written).lower() for written in self.safe} & {str(written).lower() for written in self.unsafe}
        if both:
            raise ValueError(f"{', '.join(sorted(both))} cannot mean both safe and unsafe")
        return self

    def identity(self) -> dict[str, Any]:
        """The content of the files, not their places."""
        self.check()
        return {
            "file": file_digest(self.path),
            "columns": self.columns,
            "labels": self._labels(),
            "unlabelled": self.unlabelled,
            "corrections": file_digest(self.corrections) if self.corrections else None,
            "split": self.split,
            **described(self.filters),
        }

    def check(self) -> None:
        """Raise WorldError when a file is not there."""
        for name, path in (("path", self.path), ("corrections", self.corrections)):
            if path is not None and not path.is_file():
                raise WorldError(f"data.{name}: there is no file {path}")

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write the splits; raises DataError naming file and row."""
        corrections = read_corrections(self.corrections) if self.corrections else None
        rows = read_table(self.path)
        done = label_rows(
            rows, columns=self.columns, labels=self._labels(), unlabelled=self.unlabelled, corrections=corrections
        )
        source = {"source": self.path.name, "licence": licence_beside(self.path)}
        return write_labelled(folder, done, self.split, source, self.filters)

    def _labels(self) -> dict[str, Label]:
        found: dict[str, Label] = {str(written).lower(): "safe" for written in self.safe}
        return found | {str(written).lower(): "unsafe" for written in self.unsafe}
