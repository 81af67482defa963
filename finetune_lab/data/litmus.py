"""LITMUS and ACCD: prompts of seven axioms, safe and unsafe, from the hub or from a folder with their files."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import PositiveInt

from finetune_lab.errors import DataError, WorldError
from finetune_lab.fingerprint import digest_of_files
from finetune_lab.plugin import plugin
from finetune_lab.preparing.dataset_hub import about, dataset_commit, hub_rows
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.labelling import PLAIN, Columns, label_rows, write_labelled
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.splitting import Split
from finetune_lab.preparing.tables import TABLES, read_table
from finetune_lab.records import Sample

COLUMNS = Columns(
    prompt="input", label="safety_label", topic="axiom", source="source_dataset", group=None, answer="target"
)


@plugin
class Litmus:
    """`repo` at `revision`, which is resolved to a commit; or `folder`, a copy of its files, and then no network.

    `rows_per_cell` rows of each axiom and label are drawn by `seed` (null: all), in an order that the seed gives, so
    that the first rows are a fair sample.
    """

    repo: str
    revision: str
    hub_split: str
    folder: Path | None
    rows_per_cell: PositiveInt | None
    seed: int
    split: Split
    filters: Filters

    def identity(self) -> dict[str, Any]:
        """The commit, or the content of the folder's files."""
        files = digest_of_files(self._files(), self.folder) if self.folder else None
        return {
            "repo": None if self.folder else f"{self.repo}@{dataset_commit(self.repo, self.revision)}",
            "hub_split": None if self.folder else self.hub_split,
            "files": files,
            "rows_per_cell": self.rows_per_cell,
            "seed": self.seed,
            "split": self.split,
            **described(self.filters),
        }

    def check(self) -> None:
        """Raise WorldError when neither the hub, nor the cache, nor the folder has it."""
        if self.folder is None:
            dataset_commit(self.repo, self.revision)
        else:
            self._files()

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write the splits; raises DataError naming file and row, and for an axiom that lacks a label."""
        done = label_rows(self._rows(), columns=COLUMNS, labels=PLAIN, unlabelled="error")
        done.converted.choose(self._drawn(done.converted.samples), "not drawn")
        source = about(self.repo, self.revision, self.folder)
        return write_labelled(folder, done, self.split, source, self.filters)

    def _rows(self) -> Iterator[Row]:
        if self.folder is None:
            yield from hub_rows(self.repo, dataset_commit(self.repo, self.revision), self.hub_split)
        else:
            for path in self._files():
                yield from read_table(path)

    def _files(self) -> list[Path]:
        assert self.folder is not None
        found = sorted(path for path in self.folder.rglob("*") if path.suffix in TABLES)
        if not found:
            raise WorldError(f"data.folder: {self.folder} holds no file that ends in {', '.join(TABLES)}")
        return found

    def _drawn(self, samples: list[Sample]) -> list[Sample]:
        """The first rows of every axiom and label in the seed's order, mixed."""
        cells: dict[tuple[str, str], list[Sample]] = {}
        for sample in sorted(samples, key=self._place):
            cells.setdefault((str(sample.facts["topic"]), str(sample.facts["label"])), []).append(sample)
        cell_names = [(axiom, label) for axiom in sorted({axiom for axiom, _ in cells}) for label in ("safe", "unsafe")]
        empty = [f"{axiom!r} has no {label} row" for axiom, label in cell_names if (axiom, label) not in cells]
        if empty:
            raise DataError(f"every axiom needs both labels: {'; '.join(empty)}")
        return sorted((one for cell in cells.values() for one in cell[: self.rows_per_cell]), key=self._place)

    def _place(self, sample: Sample) -> str:
        return sha256(f"{self.seed}:{sample.id}".encode()).hexdigest()
