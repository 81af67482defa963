"""Transformers in this process: the engine that scores, on the weights as they were trained and scored."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from finetune_lab.inference.backends import Served, in_groups
from finetune_lab.plugin import plugin
from finetune_lab.records import Answer, Decoding, Message


@plugin
class Transformers:
    """Adapter or base as the line says, 4-bit or plain as the model's config says."""

    def check(self) -> None:
        """It comes with the package."""

    @contextmanager
    def open(self, served: Served, runtime: Any) -> Iterator["_Engine"]:
        """The model, loaded for the length of a `with`."""
        with served.load() as engine:
            yield _Engine(engine)


class _Engine:
    local = True

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def generate(
        self, prompts: Mapping[str, Sequence[Message]], decoding: Decoding, *, at_once: int
    ) -> Iterator[Answer]:
        for group in in_groups(prompts, at_once):
            yield from self._engine.generate(group, decoding)
