"""The documents of lm-evaluation-harness' tasks as rows, so that a measure is about what was asked."""

from pathlib import Path
from typing import Any

from finetune_lab.errors import DataError, WorldError
from finetune_lab.fingerprint import digest_of_files
from finetune_lab.inference.harness import check_harness, documents
from finetune_lab.plugin import plugin
from finetune_lab.preparing.pipeline import Converted, write_splits
from finetune_lab.preparing.splitting import Split

TEST_ONLY = Split(train=0, validation=0, test=1, seed=0)


@plugin
class Harness:
    """`tasks` and groups by the harness' names; `folder` holds task files of one's own, beside those of the package."""

    tasks: tuple[str, ...]
    folder: Path | None

    def identity(self) -> dict[str, Any]:
        """The names, and the content of one's own files. What the package's tasks say is in the rows themselves."""
        own = (
            digest_of_files(sorted(p for p in self.folder.rglob("*") if p.is_file()), self.folder)
            if self.folder
            else None
        )
        return {"tasks": self.tasks, "folder": own}

    def check(self) -> None:
        """Raise WorldError when package or folder are missing."""
        check_harness()
        if self.folder is not None and not self.folder.is_dir():
            raise WorldError(f"eval.lm_eval.folder: there is no folder {self.folder}")

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write every document of the tasks into the split test."""
        self.check()
        found = Converted(samples=list(documents(self.tasks, self.folder)))
        if not found.samples:
            raise DataError(f"eval.lm_eval.tasks: {', '.join(self.tasks) or 'none named'}: no documents")
        found.shapes["harness"] = len(found.samples)
        return write_splits(folder, found, TEST_ONLY, {"source": ", ".join(self.tasks)})
