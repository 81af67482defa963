"""The values that pass between a method and its adapter, objective and optimizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from finetune_lab.records import Sample, Tokens

SMALLEST_EVALUATION_BATCH = 8  # rows of a pass over validation rows, which keeps nothing for a backward pass


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What an objective encodes."""

    chat: Any
    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What a trainer is given, and the proof that it is right."""

    train: tuple[Tokens, ...]
    validation: tuple[Tokens, ...]
    proof: Any


class Adapter(Protocol):
    def attach(self, module: Any, projections: Sequence[str]) -> Any:
        """Put fresh trainable weights on a loaded model, in place; return the PEFT model."""


class Objective(Protocol):
    def encode(self, setting: Setting) -> Encoded: ...
    def trainer(self, model: Any, arguments: Any, encoded: Encoded, order: list[int], **parts: Any) -> Any: ...


class Optimizer(Protocol):
    def make(self, model: Any) -> Any:
        """A torch optimizer of the trainable weights of `model`."""
