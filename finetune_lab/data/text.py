"""Plain text: documents in one file, parted by a separator."""

from pathlib import Path
from typing import Any

from finetune_lab.errors import DataError, WorldError
from finetune_lab.fingerprint import file_digest
from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.licence import licence_beside
from finetune_lab.preparing.pipeline import Converted, write_splits
from finetune_lab.preparing.reading import Row, read_text
from finetune_lab.preparing.splitting import Split
from finetune_lab.records import Sample


@plugin
class Text:
    """Documents of `path`; `separator` null makes the file one document. White space around a document goes."""

    path: Path
    separator: str | None
    split: Split
    filters: Filters

    def identity(self) -> dict[str, Any]:
        self.check()
        return {
            "file": file_digest(self.path),
            "separator": self.separator,
            "split": self.split,
            **described(self.filters),
        }

    def check(self) -> None:
        """Raise WorldError when the file is not there."""
        if not self.path.is_file():
            raise WorldError(f"data.path: there is no file {self.path}")

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write the splits; raises DataError for a file without text."""
        text = read_text(self.path)
        parts = text.split(self.separator) if self.separator else [text]
        documents = [part.strip() for part in parts if part.strip()]
        if not documents:
            raise DataError(f"{self.path}: the file holds no text")
        found = Converted()
        for number, document in enumerate(documents, start=1):
            found.shapes["text"] += 1
            row = Row(fields={"text": document}, place=f"{self.path}, document {number}")
            found.add(Sample.of(text=document), row)
        source = {"source": self.path.name, "licence": licence_beside(self.path)}
        return write_splits(folder, found, self.split, source, self.filters)
