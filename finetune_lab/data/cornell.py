"""The Cornell movie dialogs: movie_lines.txt and movie_conversations.txt as they are published."""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from finetune_lab.errors import DataError, WorldError
from finetune_lab.fingerprint import digest_of_files
from finetune_lab.plugin import plugin
from finetune_lab.preparing.converted import Converted
from finetune_lab.preparing.dialogues import Exchange, add_dialogue
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.licence import licence_beside
from finetune_lab.preparing.pipeline import write_splits
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.splitting import Split

LINES, CONVERSATIONS = "movie_lines.txt", "movie_conversations.txt"
SEPARATOR = "+++$+++"
_LINE_NAME = re.compile(r"L\d+")


@plugin
class Cornell:
    """`folder` holds both raw files, in UTF-8 or, as published, Latin-1. Dialogues of one film, or each, stay together.

    `exchange`: whole dialogues of many turns, or pairs of a line and its answer.
    """

    folder: Path
    exchange: Exchange
    together: Literal["film", "dialogue"]
    split: Split
    filters: Filters

    def identity(self) -> dict[str, Any]:
        """The content of the two files."""
        self.check()
        files = digest_of_files([self.folder / LINES, self.folder / CONVERSATIONS], self.folder)
        own = {"files": files, "exchange": self.exchange, "together": self.together, "split": self.split}
        return {**own, **described(self.filters)}

    def check(self) -> None:
        """Raise WorldError when one of the files is not there."""
        for name in (LINES, CONVERSATIONS):
            if not (self.folder / name).is_file():
                raise WorldError(f"data.folder: there is no {name} in {self.folder}")

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write the splits; raises DataError with file and line for one that has not the published form."""
        lines = {fields[0]: fields[4] for fields, _ in _records(self.folder / LINES, 5)}
        found = Converted()
        for (_, _, film, listed), place in _records(self.folder / CONVERSATIONS, 4):
            names = _LINE_NAME.findall(listed)
            group = sha256(film.encode() if self.together == "film" else listed.encode()).hexdigest()[:16]
            if any(name not in lines for name in names):
                found.shapes["dialogue"] += 1
                found.drop("a line is missing", Row(fields={"lines": names}, place=place))
                continue
            said = [lines[name] for name in names]
            add_dialogue(found, said, exchange=self.exchange, group=group, place=place)
        source = {"source": "Cornell movie dialogs", "licence": licence_beside(self.folder)}
        return write_splits(folder, found, self.split, source, self.filters)


def _records(path: Path, num_fields: int) -> Iterator[tuple[list[str], str]]:
    """The fields of every line, without white space around them, and its place."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # as it was published; every byte means a sign there
    if not text.strip():
        raise DataError(f"{path}: the file is empty")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        fields = [part.strip() for part in line.split(SEPARATOR, num_fields - 1)]
        if len(fields) != num_fields:
            raise DataError(
                f"{path}, line {number}: {num_fields} fields between {SEPARATOR} are due, there are {len(fields)}"
            )
        yield fields, f"{path}, line {number}"
