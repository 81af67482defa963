"""Rows that hold a web address."""

import re
from collections.abc import Sequence

from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Part, text_of
from finetune_lab.records import Candidate, Verdict

_SCHEME = r"(?:https?|ftp)://[^\s<>\"']+|\bwww\.[^\s<>\"']+"
# the endings that people write without http; those that are words or sounds count with a page behind them
_ENDINGS = "com|org|net|edu|gov|info|biz|io|ai|app|dev|uk|de|fr|eu"
_SHORT_ENDINGS = "me|ly|gl|tv|co|to|be|in|is|it|us"
_BARE = rf"(?<![\w@.-])(?:[a-z0-9-]+\.)+(?:(?:{_ENDINGS})(?:/\S*)?|(?:{_SHORT_ENDINGS})/\S+)(?![\w-])"


@plugin
class Urls:
    """Drops rows whose `part` holds an address; `bare`: also one without http:// or www., such as example.com/page."""

    part: Part
    bare: bool

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        pattern = re.compile(f"{_SCHEME}|{_BARE}" if self.bare else _SCHEME, re.IGNORECASE)
        found = (pattern.search(text_of(row.sample, self.part)) for row in rows)
        return [Verdict(reason="has a URL", detail=match[0][:80]) if match else Verdict() for match in found]
