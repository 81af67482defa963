"""Prompt suites that ship with the package: a few fixed prompts to look at, the same for every model."""

from pathlib import Path
from typing import Any

from pydantic import PositiveInt

from finetune_lab.errors import ConfigError
from finetune_lab.fingerprint import file_digest
from finetune_lab.plugin import plugin
from finetune_lab.preparing.pipeline import convert, write_splits
from finetune_lab.preparing.reading import read_rows
from finetune_lab.preparing.splitting import Split

ASSETS = Path(__file__).resolve().parent.parent / "assets" / "suites"
TEST_ONLY = Split(train=0, validation=0, test=1, seed=0)


@plugin
class Suite:
    """All rows of a suite in the split test. What a version holds never changes; other prompts are a new version."""

    name: str
    version: PositiveInt

    def identity(self) -> dict[str, Any]:
        self.check()
        return {"rows": file_digest(self._path())}

    def check(self) -> None:
        """Raise ConfigError for a suite that there is not."""
        if not self._path().is_file():
            known = ", ".join(sorted(path.stem for path in ASSETS.glob("*.jsonl")))
            raise ConfigError(f"data.suite: there is no {self.name}-{self.version}; there are: {known}")

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write the rows; what stands beside the messages becomes their facts."""
        rows = list(read_rows(self._path()))
        facts = tuple(name for name in rows[0].fields if name != "messages")
        found = convert(rows, shape="messages", unanswered="keep", facts=facts)
        return write_splits(folder, found, TEST_ONLY, {"source": f"suite {self.name}-{self.version}"})

    def _path(self) -> Path:
        return ASSETS / f"{self.name}-{self.version}.jsonl"
