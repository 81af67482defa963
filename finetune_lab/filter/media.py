"""Rows that came with a picture or a film, which the text alone does not show."""

import re
from collections.abc import Sequence

from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Part, text_of, value_of
from finetune_lab.records import Candidate, Verdict

_MARKS = re.compile(
    r"\bpic\.(?:twitter|x)\.com/\S+|!\[[^\]]*\]\([^)]*\)|<(?:img|video|audio|iframe)\b"
    r"|<(?:image|video|audio)>|\[(?:image|photo|picture|video|gif)\]",
    re.IGNORECASE,
)


@plugin
class Media:
    """Drops rows where one of `fields` holds something (a list of attachments, a count), or the text a mark of one."""

    fields: tuple[str, ...]
    part: Part

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        return [self._verdict(row) for row in rows]

    def _verdict(self, row: Candidate) -> Verdict:
        attached = next((name for name in self.fields if value_of(row, name)), None)
        if attached is not None:
            return Verdict(reason="has media", detail=attached)
        mark = _MARKS.search(text_of(row.sample, self.part))
        return Verdict(reason="has media", detail=mark[0][:80]) if mark else Verdict()
