"""Alignment instructions: prompts with an instruction, an accepted and a rejected response, from the hub or a copy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from finetune_lab.errors import DataError
from finetune_lab.plugin import plugin
from finetune_lab.preparing.converted import Converted
from finetune_lab.preparing.dataset_hub import about, check_copy, copy_digest, dataset_commit, hub_rows
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.pipeline import write_splits
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.splitting import Split
from finetune_lab.preparing.turns import ShapeError, said, turn
from finetune_lab.records import Sample

PROMPT, INSTRUCTION = "Prompt", "Instruction generated"
ACCEPTED, REJECTED = "Accepted Response", "Rejected Response"
_COLUMNS = (PROMPT, INSTRUCTION, ACCEPTED, REJECTED)


@plugin
class AlignmentInstructions:
    """`repo` at `revision`, or `folder`, a copy of its files. Rows of one prompt stay in one split.

    `learn`: the accepted response to the prompt, with the instruction as system message; or the instruction itself as
    the answer to the prompt. The rejected response is a fact of the row.
    """

    repo: str
    revision: str
    hub_split: str
    folder: Path | None
    streaming: bool
    learn: Literal["accepted", "instruction"]
    split: Split
    filters: Filters

    def identity(self) -> dict[str, Any]:
        """The commit, or the content of the folder's files."""
        place = {"files": copy_digest(self.folder)} if self.folder else {"repo": f"{self.repo}@{self._commit()}"}
        own = {"hub_split": self.hub_split, "learn": self.learn, "split": self.split}
        return {**place, **own, **described(self.filters)}

    def check(self) -> None:
        """Raise WorldError when neither the hub, nor the cache, nor the folder has it."""
        if self.folder is None:
            self._commit()
        else:
            check_copy(self.folder)

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write the splits; raises DataError naming the row for a column that is missing or no text."""
        found = Converted()
        for row in self._rows():
            found.shapes["alignment instructions"] += 1
            text = _texts(row)
            empty = next((name for name in self._needed() if not text[name]), None)
            if empty:
                found.drop(f"no {empty.lower()}", row)
            else:
                found.add(self._sample(text), row)
        source = about(self.repo, self.revision, self.folder)
        return write_splits(folder, found, self.split, source, self.filters)

    def _needed(self) -> tuple[str, ...]:
        return (PROMPT, ACCEPTED) if self.learn == "accepted" else (PROMPT, INSTRUCTION)

    def _sample(self, text: dict[str, str]) -> Sample:
        asked = turn("user", text[PROMPT])
        if self.learn == "instruction":
            messages = [asked, turn("assistant", text[INSTRUCTION])]
        else:
            system = [turn("system", text[INSTRUCTION])] if text[INSTRUCTION] else []
            messages = [*system, asked, turn("assistant", text[ACCEPTED])]
        group = Sample.of(text=" ".join(text[PROMPT].lower().split())).id
        return Sample.of(messages=messages, group=group, facts={"rejected": text[REJECTED]})

    def _commit(self) -> str:
        return dataset_commit(self.repo, self.revision)

    def _rows(self) -> Iterator[Row]:
        place, commit = (str(self.folder), None) if self.folder else (self.repo, self._commit())
        return hub_rows(place, commit, self.hub_split, streaming=self.streaming)


def _texts(row: Row) -> dict[str, str]:
    """The four columns, without white space around them; an empty cell is an empty text."""
    absent = [name for name in _COLUMNS if name not in row.fields]
    if absent:
        raise DataError(f"{row.place}: column {absent[0]!r} is missing; the row has: {', '.join(row.fields)}")
    try:
        return {name: said(row.fields[name] or "", name).strip() for name in _COLUMNS}
    except ShapeError as error:
        raise DataError(f"{row.place}: {error}") from None
