"""Rows of a data set of the Hugging Face hub, in any of the shapes that people have; streamed where it is large."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import PositiveInt, model_validator

from finetune_lab.plugin import plugin
from finetune_lab.preparing.dataset_hub import about, check_copy, copy_digest, dataset_commit, hub_rows
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.pipeline import Unanswered, Undesirable, convert, write_splits
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.shapes import ShapeName
from finetune_lab.preparing.splitting import Split


@plugin
class HubRows:
    """`repo` at `revision`, which is resolved to a commit; or `folder`, a copy of its files, and then no network.

    `subset` is what the hub calls a configuration (null: the only one). `streaming` reads row by row and keeps nothing
    on the disk; with `max_rows` only so many are read. `rename` gives columns the names of a shape: {Prompt: prompt}.
    """

    repo: str
    revision: str
    subset: str | None
    hub_split: str
    folder: Path | None
    streaming: bool
    max_rows: PositiveInt | None
    rename: Mapping[str, str]
    shape: ShapeName
    unanswered: Unanswered
    undesirable: Undesirable
    group_by: str | None
    facts: tuple[str, ...]
    split: Split
    filters: Filters

    @model_validator(mode="after")
    def _apart(self) -> "HubRows":
        if len(set(self.rename.values())) < len(self.rename):
            raise ValueError("rename gives two columns one name")
        return self

    def identity(self) -> dict[str, Any]:
        """The commit, or the content of the folder's files; how it is read does not count, what is read does."""
        place = {"files": copy_digest(self.folder)} if self.folder else {"repo": f"{self.repo}@{self._commit()}"}
        names = ("subset", "hub_split", "max_rows", "rename", "shape", "unanswered", "undesirable", "group_by", "facts")
        own = {name: getattr(self, name) for name in (*names, "split")}
        return {**place, **own, **described(self.filters)}

    def check(self) -> None:
        """Raise WorldError when neither the hub, nor the cache, nor the folder has it."""
        if self.folder is None:
            self._commit()
        else:
            check_copy(self.folder)

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write the splits; raises DataError naming data set and row."""
        found = convert(
            self._rows(),
            shape=self.shape,
            unanswered=self.unanswered,
            undesirable=self.undesirable,
            group_by=self.group_by,
            facts=self.facts,
        )
        source = about(self.repo, self.revision, self.folder)
        return write_splits(folder, found, self.split, source, self.filters)

    def _commit(self) -> str:
        return dataset_commit(self.repo, self.revision)

    def _rows(self) -> Iterator[Row]:
        if self.folder is None:
            rows = hub_rows(self.repo, self._commit(), self.hub_split, subset=self.subset, streaming=self.streaming)
        else:
            rows = hub_rows(str(self.folder), None, self.hub_split, subset=self.subset, streaming=self.streaming)
        for row in islice(rows, self.max_rows):
            yield Row(
                fields={self.rename.get(name, name): value for name, value in row.fields.items()}, place=row.place
            )
