"""What backends share: what they are given to serve, and the memory of a process while it answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune_lab.protocols import Chat
from finetune_lab.records import Answer, Decoding, Message


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a backend may be asked to serve: the model, loaded anew; its chat; and the file of its GGUF export.

    `gguf` raises WorldError where nothing is exported yet.
    """

    load: Callable[[], AbstractContextManager[Any]]
    chat: Callable[[], Chat]
    gguf: Callable[[], Path]


class Answering(Protocol):
    """An opened backend."""

    local: bool  # whether it computes in this process, so that its memory can be told

    def generate(
        self, prompts: Mapping[str, Sequence[Message]], decoding: Decoding, *, at_once: int
    ) -> Iterator[Answer]:
        """Answer the prompts, so many of them at a time; yields as they are done."""


def in_groups(prompts: Mapping[str, Sequence[Message]], size: int) -> Iterator[dict[str, Sequence[Message]]]:
    """The prompts in groups of `size`, in their order."""
    names = list(prompts)
    for start in range(0, len(names), size):
        yield {name: prompts[name] for name in names[start : start + size]}
