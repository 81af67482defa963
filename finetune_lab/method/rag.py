"""Retrieval without training: the training rows most like what is asked stand before it, as examples to follow."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from finetune_lab.errors import DataError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.inference.retrieval.chat import ExampleChat, Shots, Told, context_tokens, with_chat
from finetune_lab.inference.retrieval.examples import examples_of
from finetune_lab.inference.retrieval.index import Index, Searcher, check_searcher, read_index, write_index
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.preparing.embedding import Embedder, check_embedder, embedder_digest, sentence_embedder
from finetune_lab.protocols import Job, LanguageModel, ModelSource
from finetune_lab.records import TrainingReport

log = logging.getLogger(__name__)
RECORD = "retrieval.json"
_NOT_IDENTITY = ("search",)  # either finds the same rows


@plugin
class Rag:
    """`embedder` is a folder with a sentence-transformers model; null: TF-IDF of the questions in `width` directions.

    Up to `num_examples` with a cosine of `least_similarity` or more stand before the prompt, as many as fit into
    `budget_tokens` and, with `answer_tokens` kept free for the answer, into the model's context.
    """

    trains: ClassVar[bool] = False
    num_examples: PositiveInt
    budget_tokens: PositiveInt
    answer_tokens: PositiveInt
    least_similarity: float = Field(ge=-1, le=1)
    order: Literal["nearest_last", "nearest_first"]
    embedder: Path | None
    device: Literal["cpu", "cuda", "mps"]
    width: PositiveInt
    search: Searcher

    def identity(self) -> dict[str, Any]:
        """The embedder's content, not its place; and not who looks the neighbours up."""
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _NOT_IDENTITY}
        return own | {"embedder": embedder_digest(self.embedder) if self.embedder else None}

    def check(self, model: ModelSource) -> None:
        """Raise WorldError where the embedder or FAISS is asked for and not here; any model will do."""
        check_searcher(self.search)
        if self.embedder is not None:
            check_embedder(self.embedder)

    def train(self, job: Job) -> TrainingReport:
        """Write the index of the training rows. No step is taken and nothing is drawn: every seed gives the same."""
        started = time.monotonic()
        examples = examples_of(job.train)
        if not examples:
            raise DataError(
                f"none of the {len(job.train)} training rows is a question with its answer, and those are the examples"
            )
        written = write_index(job.folder, examples, embed=self._opened(), width=self.width)
        left_out = len(job.train) - len(examples)
        if left_out:
            log.info("retrieval %d of %d rows are no question with its answer and left out", left_out, len(job.train))
        record = {"made_by": fingerprint(self), "examples": len(examples), "left_out": left_out, **written}
        write_atomically(job.folder / RECORD, json.dumps(record, indent=2))
        return TrainingReport.untrained(
            wall_seconds=time.monotonic() - started, adapter_bytes=written["bytes"], extra={"retrieval": record}
        )

    @contextmanager
    def apply(self, model: Any, folder: Path) -> Iterator[LanguageModel]:
        """The model with examples before every prompt. Raises DataError where the embedder is not that of the index."""
        shots = Shots(context_tokens=context_tokens(model), **{name: getattr(self, name) for name in _SHOTS})
        told = Told()
        with model.as_base() as bare:
            yield with_chat(bare, ExampleChat(bare.chat, self._index(folder), shots, told))
        for line in told.lines(shots):
            log.info("retrieval %s", line)

    def _index(self, folder: Path) -> Index:
        path = folder / RECORD
        made_by = json.loads(path.read_text(encoding="utf-8"))["made_by"]
        if made_by != fingerprint(self):
            raise DataError(f"{folder} was made with another embedder or other settings; make it again: fresh=[train]")
        # switched on for every answer of a chat with two models: read once
        return _read(self, folder, path.stat().st_mtime_ns)

    def _opened(self) -> Callable[[], Embedder] | None:
        return partial(sentence_embedder, self.embedder, self.device) if self.embedder else None


_SHOTS = ("num_examples", "least_similarity", "order", "budget_tokens", "answer_tokens")


@lru_cache(maxsize=1)
def _read(method: Rag, folder: Path, changed: int) -> Index:
    """The index in `folder` as it was at the time `changed`."""
    return read_index(folder, embed=method._opened(), searcher=method.search)
