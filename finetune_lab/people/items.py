"""What people are asked: a prompt with one answer to rate or two to choose from, and nothing that tells whose they are.

An item is named by its content, so a vote stays true wherever the item comes up again.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from finetune_lab.records import Answer, Message, Sample

_LETTERS = 16


@dataclass(frozen=True, kw_only=True)
class Text:
    """An answer as people see it."""

    id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Item:
    """`answers` stand in the order of their ids: who knows which model wrote which text learns nothing from it."""

    id: str
    prompt: tuple[Message, ...]
    answers: tuple[Text, ...]

    @classmethod
    def of(cls, prompt: Sequence[Message], texts: Iterable[str]) -> "Item":
        """The same item for the same prompt and texts, in whichever order they come."""
        turns = [dict(turn) for turn in prompt]
        answers = sorted((Text(id=_digest([turns, text]), text=text) for text in texts), key=lambda one: one.id)
        name = _digest([turns, [answer.id for answer in answers]])
        return cls(id=name, prompt=tuple(prompt), answers=tuple(answers))


@dataclass(frozen=True, kw_only=True)
class Option:
    """What can be said of an item: how it is kept, how it reads, and what may be typed for it, its key first."""

    value: str
    label: str
    typed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """All that people are to be asked. `gold`: items whose right answer is known; nothing here says what it is."""

    question: str
    hint: str
    options: tuple[Option, ...]
    items: tuple[Item, ...]
    gold: tuple[Item, ...]

    @property
    def values(self) -> frozenset[str]:
        """What can be said."""
        return frozenset(option.value for option in self.options)

    @property
    def by_id(self) -> dict[str, Item]:
        """Every item by its name, gold ones too."""
        return {item.id: item for item in (*self.items, *self.gold)}


class AsksPeople(Protocol):
    """What an evaluator has whose findings come from people."""

    decoding: Any
    gold: Any
    confidence: float

    def ballot(self, rows: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Ballot:
        """What is asked about the answers of one or two artifacts, or more, to `rows`."""

    def votes_key(self) -> str:
        """Votes under one key answer the same question in the same words."""


def distinct(items: Iterable[Item]) -> tuple[Item, ...]:
    """Each item once, in order."""
    return tuple({item.id: item for item in items}.values())


def alike(texts: Sequence[str]) -> bool:
    """Word for word the same: a tie that nobody is asked about."""
    return len({text.strip() for text in texts}) < 2


def draw(*parts: str) -> int:
    """A number of 32 bits drawn from texts, evenly: FNV-1a, then the last step of MurmurHash3.

    The page of a survey draws the same numbers (assets/people/survey.js).
    """
    found = 0x811C9DC5
    for byte in "\x00".join(parts).encode("utf-8", "replace"):
        found = (found ^ byte) * 0x01000193 & 0xFFFFFFFF
    found = (found ^ found >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    found = (found ^ found >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return found ^ found >> 16


def in_places(ids: Sequence[str], item: str, rater: str, seed: str) -> tuple[str, ...]:
    """The order in which a rater sees the answers `ids` of an item: seeded, another for each item and rater."""
    return tuple(reversed(ids)) if draw(seed, "sides", rater, item) & 1 else tuple(ids)


def _digest(content: Any) -> str:
    plain = json.dumps(content, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return sha256(plain).hexdigest()[:_LETTERS]
