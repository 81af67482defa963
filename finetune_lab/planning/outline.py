"""What the parts of a method tell of themselves before they run: plain numbers, no PyTorch.

A plugin that is not Adam's or LoRA's usual case says so by a verb of its own (`Adapter.pairs`, `Optimizer.load`,
`Method.outline`); the defaults that hold for the others stand here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from finetune_lab.planning.shape import Linear
from finetune_lab.training.order import num_updates

FLOAT = 4  # bytes: adapters, their gradients and moments are float32


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A low-rank pair beside one kind of matrix: A is rank × inputs, B outputs × rank.

    `dropout`: whether the pair has an input of its own to remember. `num_more` trainable numbers beside A and B;
    `remembered_outputs`: how many times the width of the output is kept for the backward pass; `num_copied` numbers of
    the base that are kept aside while it is trained.
    """

    linear: Linear
    rank: int
    dropout: bool
    num_more: int = 0
    remembered_outputs: int = 0
    num_copied: int = 0

    @property
    def num_inner(self) -> int:
        """Numbers in all A."""
        return self.rank * self.linear.inputs * self.linear.count

    @property
    def num_outer(self) -> int:
        """Numbers in all B."""
        return self.rank * self.linear.outputs * self.linear.count

    @property
    def num_trainable(self) -> int:
        return self.num_inner + self.num_outer + self.num_more * self.linear.count


@dataclass(frozen=True, kw_only=True)
class Load:
    """Bytes of an optimizer: what it remembers between steps, the gradients it is given, and what a step needs more.

    `learns_inner`: whether A is trained, for which its input is kept until the backward pass.
    """

    state_bytes: int
    gradient_bytes: int
    step_bytes: int
    learns_inner: bool = True


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A training as its method describes it; lengths in tokens."""

    adapter: Any
    optimizer: Any
    batch_size: int
    accumulation: int
    evaluation_batch_size: int
    max_length: int
    epochs: float
    max_steps: int | None
    evaluate_every: int

    @property
    def rows_per_step(self) -> int:
        return self.batch_size * self.accumulation

    def num_steps(self, num_rows: int) -> int:
        """Updates in all."""
        return num_updates(num_rows, per_update=self.rows_per_step, epochs=self.epochs, at_most=self.max_steps)


class Planned(Protocol):
    """A method whose training can be foreseen; one without `outline` trains nothing."""

    def outline(self) -> Outline: ...
    def rehearsal(self, num_steps: int) -> Any:
        """The same method for so many steps, evaluated once at their end."""


def pairs_of(adapter: Any, linears: Sequence[Linear], projections: Sequence[str]) -> tuple[Pair, ...]:
    """The low-rank pairs of an adapter, by its own `pairs` or as plain LoRA of its `rank` has them."""
    names = getattr(adapter, "projections", None) or projections
    chosen = [one for one in linears if one.name in names]
    own = getattr(adapter, "pairs", None)
    return tuple(own(chosen)) if own else plain_pairs(chosen, rank=adapter.rank, dropout=adapter.dropout > 0)


def plain_pairs(linears: Sequence[Linear], *, rank: int, dropout: bool) -> tuple[Pair, ...]:
    """LoRA's pairs."""
    return tuple(Pair(linear=one, rank=rank, dropout=dropout) for one in linears)


def load_of(optimizer: Any, pairs: Sequence[Pair]) -> Load:
    """What an optimizer holds, by its own `load` or as Adam does: two moments for every trainable number."""
    own = getattr(optimizer, "load", None)
    found: Load = own(pairs) if own else adam_load(pairs)
    return found


def adam_load(pairs: Sequence[Pair]) -> Load:
    """Two moments and a gradient for every trainable number, updated in place."""
    numbers = sum(pair.num_trainable for pair in pairs)
    return Load(state_bytes=2 * FLOAT * numbers, gradient_bytes=FLOAT * numbers, step_bytes=0)


def sides(pairs: Sequence[Pair]) -> Iterator[tuple[int, int, int]]:
    """(rank, width, how many) of every matrix, both sides of every pair: what batched optimizers work on."""
    for pair in pairs:
        yield pair.rank, pair.linear.inputs, pair.linear.count
        yield pair.rank, pair.linear.outputs, pair.linear.count
