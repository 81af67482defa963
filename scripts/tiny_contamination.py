"""How much of a task's rows stands in the text of the small world: shared 8-grams, rows, keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

GRAM_WORDS = 8
#: Words of the task that the world must never say, whatever the rows hold.
FORBIDDEN = ("time_block", "time_buffer", "itinerary", "phrasebook", "envelope", "payload", "pocketguide")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """What a text shares with some rows; only `documents` and the two sizes should not be zero."""

    documents: int
    words: int
    row_8grams: int
    shared_8grams: int
    messages_found_whole: int
    schema_keys: int
    forbidden_words: int

    def __str__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in asdict(self).items())


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What is looked for: the rows' 8-grams, their messages as words, and the keys of their JSON."""

    grams: frozenset[tuple[str, ...]]
    messages: frozenset[tuple[str, ...]]
    keys: frozenset[str]


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def grams_of(words: list[str], length: int = GRAM_WORDS) -> Iterator[tuple[str, ...]]:
    """All runs of `length` words."""
    return zip(*(words[offset:] for offset in range(length)), strict=False)


def read_rows(path: Path) -> Rows:
    """The rows of a JSONL file of chat messages; system messages count like the others."""
    grams, messages, keys = set[tuple[str, ...]](), set[tuple[str, ...]](), set[str]()
    for line in path.read_text(encoding="utf-8").splitlines():
        for message in json.loads(line)["messages"]:
            words = words_of(message["content"])
            grams.update(grams_of(words))
            messages.add(tuple(words))
            keys.update(_keys_of(message["content"]))
    messages.discard(())
    return Rows(grams=frozenset(grams), messages=frozenset(messages), keys=frozenset(keys))


def count(texts: Iterable[str], rows: Rows) -> Contamination:
    """Counts over all texts; a key counts where it stands in quotes before a colon, or is snake_case."""
    quoted = re.compile(f'"({_any_of(rows.keys)})"\\s*:')
    snake = re.compile(_any_of(key for key in rows.keys if "_" in key))
    forbidden = re.compile("|".join(FORBIDDEN), re.IGNORECASE)
    starts = {message[:GRAM_WORDS] for message in rows.messages}
    lengths = sorted({len(start) for start in starts})
    documents = words_seen = shared = whole = keys = said = 0
    for text in texts:
        words = words_of(text)
        documents += 1
        words_seen += len(words)
        shared += sum(gram in rows.grams for gram in grams_of(words))
        # a message can only stand here whole if its first words do
        if any(gram in starts for length in lengths for gram in grams_of(words, length)):
            line = f" {' '.join(words)} "
            whole += sum(f" {' '.join(message)} " in line for message in rows.messages)
        keys += len(quoted.findall(text)) + len(snake.findall(text))
        said += len(forbidden.findall(text))
    return Contamination(
        documents=documents, words=words_seen, row_8grams=len(rows.grams), shared_8grams=shared,
        messages_found_whole=whole, schema_keys=keys, forbidden_words=said,
    )  # fmt: skip


def _any_of(keys: Iterable[str]) -> str:
    # without keys a pattern that matches nothing, not one that matches everything
    return "|".join(map(re.escape, sorted(keys))) or r"(?!)"


def _keys_of(content: str) -> set[str]:
    start, end = content.find("{"), content.rfind("}")
    try:
        return set(_walk(json.loads(content[start : end + 1]))) if start >= 0 else set()
    except ValueError:
        return set(re.findall(r'"(\w+)"\s*:', content))


def _walk(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _walk(value)
    elif isinstance(node, list):
        for item in node:
            yield from _walk(item)
