"""DailyDialog: one dialogue a line, turns that end in __eou__."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from finetune_lab.errors import DataError, WorldError
from finetune_lab.fingerprint import file_digest
from finetune_lab.plugin import plugin
from finetune_lab.preparing.converted import Converted
from finetune_lab.preparing.dialogues import Exchange, add_dialogue
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.licence import licence_beside
from finetune_lab.preparing.pipeline import write_splits
from finetune_lab.preparing.reading import read_text
from finetune_lab.preparing.splitting import Split

END = "__eou__"
_SPACED = re.compile(r" +([.,!?;:%)]|n't\b)")
_QUOTE = re.compile(r"(?<=\w) [\u2019'] (?=\w)")


@plugin
class DailyDialog:
    """`path` is the published text. A dialogue stays in one split. `tidy` closes the gaps before punctuation."""

    path: Path
    exchange: Exchange
    tidy: bool
    split: Split
    filters: Filters

    def identity(self) -> dict[str, Any]:
        self.check()
        own = {"file": file_digest(self.path), "exchange": self.exchange, "tidy": self.tidy, "split": self.split}
        return {**own, **described(self.filters)}

    def check(self) -> None:
        """Raise WorldError when the file is not there."""
        if not self.path.is_file():
            raise WorldError(f"data.path: there is no file {self.path}")

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write the splits; raises DataError naming file and line."""
        found = Converted()
        for number, line in enumerate(read_text(self.path).split("\n"), start=1):
            if not line.strip():
                continue
            place = f"{self.path}, line {number}"
            if not line.rstrip().endswith(END):
                raise DataError(f"{place}: a dialogue should end in {END} (was the file cut?)")
            said = [tidied(part) if self.tidy else part.strip() for part in line.split(END)[:-1]]
            group = sha256(line.strip().encode()).hexdigest()[:16]
            add_dialogue(found, said, exchange=self.exchange, group=group, place=place)
        source = {"source": self.path.name, "licence": licence_beside(self.path)}
        return write_splits(folder, found, self.split, source, self.filters)


def tidied(text: str) -> str:
    """`I ’ m fine , thanks .` as people write it: `I’m fine, thanks.`"""
    return _SPACED.sub(r"\1", _QUOTE.sub(lambda match: match[0].strip(), text)).strip()
