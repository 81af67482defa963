"""An index of examples on disk: vectors and directions as safetensors, words and turns as JSON. Nothing runs code."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from finetune_lab.errors import DataError, WorldError
from finetune_lab.inference.retrieval.examples import Example, query_of, same_question
from finetune_lab.maths.blockwise import Vectors, unit_rows
from finetune_lab.maths.nearest import Search, by_blocks, nearest
from finetune_lab.once import write_atomically
from finetune_lab.preparing.embedding import Embedder
from finetune_lab.records import Message
from finetune_lab.store.folders import read_json_lines
from finetune_lab.text.latent import Latent, fit_latent
from finetune_lab.text.tfidf import Vocabulary

Searcher = Literal["auto", "faiss", "numpy"]
EXAMPLES, VECTORS, DIRECTIONS, WORDS = "examples.jsonl", "vectors.safetensors", "directions.safetensors", "words.json"
_BLOCK_ROWS = 65_536


@dataclass(frozen=True, kw_only=True)
class Found:
    """An example, and the cosine of its question with what was asked."""

    example: Example
    cosine: float


@dataclass(frozen=True)
class Index:
    """Examples with the unit rows of their questions; `embed` gives the unit rows of new ones."""

    examples: Sequence[Example]
    vectors: Vectors
    embed: Embedder
    searcher: Searcher

    def nearest(self, messages: Sequence[Message], count: int, least: float) -> tuple[list[Found], int]:
        """The examples most like what `messages` ask, nearest first, and how many were left out as the very question.

        At most `count` with a cosine of `least` or more. An example that asks the same is the row itself, or as good
        as it: it would hand over the answer.
        """
        (query,) = self.embed([query_of(messages)])
        own = self._same.get(same_question(messages), frozenset())
        wanted = min(len(self.examples), count + len(own))
        rows, cosines = nearest(self.vectors, query, wanted, self._search)
        pairs = [(int(row), float(cosine)) for row, cosine in zip(rows, cosines, strict=True) if cosine >= least]
        others = [Found(example=self.examples[row], cosine=cosine) for row, cosine in pairs if row not in own]
        return others[:count], sum(row in own for row, _ in pairs)

    @cached_property
    def _same(self) -> dict[str, frozenset[int]]:
        """Which examples ask a question, by what tells it."""
        found: dict[str, set[int]] = {}
        for number, example in enumerate(self.examples):
            found.setdefault(same_question(example.turns[:-1]), set()).add(number)
        return {key: frozenset(numbers) for key, numbers in found.items()}

    @cached_property
    def _search(self) -> Search:
        if self.searcher == "numpy" or (self.searcher == "auto" and find_spec("faiss") is None):
            return by_blocks(self.vectors, _BLOCK_ROWS)
        return _faiss(self.vectors)


def check_searcher(searcher: Searcher) -> None:
    """Raise WorldError where FAISS is asked for by name and is not here."""
    if searcher == "faiss" and find_spec("faiss") is None:
        raise WorldError("method.search=faiss needs faiss-cpu: pip install 'finetune-lab[faiss]'; numpy finds the same")


def write_index(
    folder: Path, examples: Sequence[Example], *, embed: Callable[[], Embedder] | None, width: int
) -> dict[str, Any]:
    """Fill `folder` with the index; `embed` opens a sentence-embedding model, None takes TF-IDF in `width` directions.

    Returns what there is to tell: how many numbers a vector has, and how many bytes everything takes.
    """
    texts = [query_of(example.turns) for example in examples]
    vectors = _fitted(folder, texts, width) if embed is None else embed()(texts)
    _save(folder / VECTORS, {"vectors": vectors})
    lines = [{"sample": one.sample, "turns": [dict(turn) for turn in one.turns]} for one in examples]
    write_atomically(folder / EXAMPLES, "".join(json.dumps(line) + "\n" for line in lines))
    files = [folder / name for name in (EXAMPLES, VECTORS, DIRECTIONS, WORDS)]
    return {"width": vectors.shape[1], "bytes": sum(path.stat().st_size for path in files if path.exists())}


def read_index(folder: Path, *, embed: Callable[[], Embedder] | None, searcher: Searcher) -> Index:
    """What `write_index` wrote. Raises DataError where the parts do not fit one another."""
    examples = [
        Example(sample=line["sample"], turns=tuple(line["turns"])) for line in read_json_lines(folder / EXAMPLES)
    ]
    vectors = _load(folder / VECTORS, "vectors")
    if len(vectors) != len(examples):
        raise DataError(f"{folder}: {len(examples)} examples and {len(vectors)} vectors; make it again: fresh=[train]")
    return Index(examples, vectors, _Lazy(embed) if embed else _latent_embedder(folder), searcher)


class _Lazy:
    """An embedder that is opened for the first question."""

    def __init__(self, open_embedder: Callable[[], Embedder]) -> None:
        self._open = open_embedder

    @cached_property
    def _embed(self) -> Embedder:
        return self._open()

    def __call__(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts)


def _fitted(folder: Path, texts: Sequence[str], width: int) -> Vectors:
    # the seed is that of a sketch whose rounding alone it moves: no knob, and the same index for every seed of a run
    found = fit_latent(texts, width=width, seed=0)
    own = {"rarity": found.vocabulary.rarity}
    _save(folder / DIRECTIONS, own | ({} if found.directions is None else {"directions": found.directions}))
    write_atomically(folder / WORDS, json.dumps(found.vocabulary.words))
    return unit_rows(found.vectors(texts))


def _latent_embedder(folder: Path) -> Embedder:
    words = tuple(json.loads((folder / WORDS).read_text(encoding="utf-8")))
    rarity = _load(folder / DIRECTIONS, "rarity")
    vocabulary = Vocabulary(words=words, rarity=rarity)
    if len(words) != len(rarity):
        raise DataError(f"{folder}: {len(words)} words and weights of {len(rarity)}; make it again: fresh=[train]")
    fitted = Latent(vocabulary=vocabulary, directions=_load(folder / DIRECTIONS, "directions", optional=True))
    return lambda texts: unit_rows(fitted.vectors(texts))


def _save(path: Path, arrays: dict[str, Any]) -> None:
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def _load(path: Path, name: str, *, optional: bool = False) -> Any:
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({error}); make it again: fresh=[train]") from None
    if name not in found and not optional:
        raise DataError(f"{path}: holds no {name}; make it again: fresh=[train]")
    return found.get(name)


def _faiss(vectors: Vectors) -> Search:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)

    def search(query: Vectors, count: int) -> Any:
        products, rows = index.search(query[None], count)
        return products[0], rows[0]

    return search
