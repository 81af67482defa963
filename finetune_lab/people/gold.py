"""Items whose right answer is known, to see who pays attention."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any

from pydantic import Field

from finetune_lab.errors import DataError
from finetune_lab.fingerprint import file_digest
from finetune_lab.people.items import Item, alike, draw
from finetune_lab.people.votes import Vote
from finetune_lab.plugin import plugin
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.tables import read_table
from finetune_lab.records import Message, Sample

_FEW_WORDS = 4


@dataclass(frozen=True, kw_only=True)
class GoldItem:
    """`better` is the answer to choose; `lowest` and `highest` are what a rating should lie between."""

    item: Item
    better: str = ""
    lowest: float = 0.0
    highest: float = 0.0

    def passed(self, vote: Vote) -> bool:
        """Whether a vote is what it should be."""
        if self.better:
            return vote.said in ("left", "right") and vote.shown[vote.said == "right"] == self.better
        return self.lowest <= float(vote.said) <= self.highest


@plugin
class Gold:
    """A number of items that is `share` of the others, taken from `file`, or else made of rows that hold an answer.

    The file is a table: prompt, better, worse for pairs; prompt, answer, lowest, highest for ratings. Made ones set a
    row's own answer beside the same one with its words mixed up; a rating of the mixed one should not pass the middle
    of the scale. `needed`: raters with a smaller share of right answers, after `after` gold items, are left out; null:
    nobody is.
    """

    share: Annotated[float, Field(ge=0, le=1)]
    file: Path | None
    needed: Annotated[float, Field(gt=0, le=1)] | None
    after: Annotated[int, Field(ge=1)]

    def identity(self) -> dict[str, Any]:
        """The rule and the content, not the path."""
        digest = file_digest(self.file) if self.file is not None and self.file.is_file() else None
        return {"share": self.share, "file": digest, "needed": self.needed, "after": self.after}

    def check(self, where: str) -> None:
        """Raise DataError for a file that is not there."""
        if self.file is not None and not self.file.is_file():
            raise DataError(f"{where}.gold.file: there is no file {self.file}")

    def pairs(self, rows: Sequence[Sample], num_items: int) -> tuple[GoldItem, ...]:
        """Gold items for a choice of two."""
        if self.file is not None:
            found = [_pair_of(row) for row in read_table(self.file)]
        else:
            found = [_pair(row.prompt, answer, worse) for row, answer, worse in _damaged(rows)]
        return self._some(found, num_items)

    def singles(self, rows: Sequence[Sample], num_items: int, middle: float, lowest: float) -> tuple[GoldItem, ...]:
        """Gold items for a rating on a scale from `lowest` with this middle."""
        if self.file is not None:
            found = [_single_of(row) for row in read_table(self.file)]
        else:
            found = [
                GoldItem(item=Item.of(row.prompt, [worse]), lowest=lowest, highest=middle)
                for row, _, worse in _damaged(rows)
            ]
        return self._some(found, num_items)

    def _some(self, found: Sequence[GoldItem], num_items: int) -> tuple[GoldItem, ...]:
        wanted = max(round(self.share * num_items), 1) if self.share > 0 and num_items else 0
        distinct = {one.item.id: one for one in found}.values()
        return tuple(sorted(distinct, key=lambda one: draw("gold", one.item.id))[:wanted])


@dataclass(frozen=True, kw_only=True)
class Attention:
    """How a rater did on the gold items."""

    right: int
    num: int
    left_out: bool


def attention(rule: Gold, gold: Sequence[GoldItem], votes: Mapping[tuple[str, str], Vote]) -> dict[str, Attention]:
    """Rater -> how many gold items were answered as they should be, and whether the declared rule leaves them out."""
    known = {one.item.id: one for one in gold}
    told: dict[str, list[bool]] = {}
    for (item, rater), vote in votes.items():
        if item in known:
            told.setdefault(rater, []).append(known[item].passed(vote))
    return {
        rater: Attention(right=sum(found), num=len(found), left_out=_fails(rule, found))
        for rater, found in sorted(told.items())
    }


def _fails(rule: Gold, found: Sequence[bool]) -> bool:
    return rule.needed is not None and len(found) >= rule.after and sum(found) / len(found) < rule.needed


def _damaged(rows: Sequence[Sample]) -> Iterator[tuple[Sample, str, str]]:
    for row in rows:
        if row.reference and row.reference.strip():
            worse = mixed_up(row.reference)
            if not alike([worse, row.reference]):
                yield row, row.reference, worse


def mixed_up(text: str) -> str:
    """The same words in another order; a text of a few words backwards. The same text for the same text."""
    words = text.split()
    if len(words) < _FEW_WORDS:
        return text[::-1]
    Random(draw(text)).shuffle(words)
    return " ".join(words)


def _pair(prompt: Sequence[Message], better: str, worse: str) -> GoldItem:
    item = Item.of(prompt, [better, worse])
    return GoldItem(item=item, better=next(one.id for one in item.answers if one.text == better))


def _pair_of(row: Row) -> GoldItem:
    prompt, better, worse = _texts(row, ("prompt", "better", "worse"))
    if alike([better, worse]):
        raise DataError(f"{row.place}: better and worse are the same text")
    return _pair([{"role": "user", "content": prompt}], better, worse)


def _single_of(row: Row) -> GoldItem:
    prompt, answer = _texts(row, ("prompt", "answer"))
    try:
        lowest, highest = float(row.fields["lowest"]), float(row.fields["highest"])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{row.place}: lowest and highest should be numbers, the ratings that are right") from None
    item = Item.of([{"role": "user", "content": prompt}], [answer])
    return GoldItem(item=item, lowest=lowest, highest=highest)


def _texts(row: Row, names: Sequence[str]) -> list[str]:
    found = [row.fields.get(name) for name in names]
    absent = [name for name, value in zip(names, found, strict=True) if not isinstance(value, str)]
    if absent:
        raise DataError(f"{row.place}: {absent[0]} should be text; a gold item has {', '.join(names)}")
    return [str(value) for value in found]
