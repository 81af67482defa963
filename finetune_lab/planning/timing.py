"""How long a training takes: from steps that were timed, or from the arithmetic of its operations."""

from collections.abc import Sequence
from dataclasses import dataclass

from finetune_lab.planning.lengths import Passes
from finetune_lab.planning.memory import Situation
from finetune_lab.planning.room import Room

_MULTIPLY_ADD = 2


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One update as it was run: its cells (rows × the longest of them, over all its passes) and what it took.

    `processor_seconds` are those of all threads: what can be compared between two runs on a busy machine.
    """

    cells: int
    seconds: float
    processor_seconds: float


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds of an update as a + b · cells."""

    per_update: float
    per_cell: float

    def seconds(self, updates: Sequence[Passes]) -> float:
        """Of all these updates."""
        return len(updates) * self.per_update + self.per_cell * sum(sum(one.cells) for one in updates)


def pace(cells: Sequence[int], seconds: Sequence[float]) -> Pace:
    """Least squares through what was timed; through zero where the updates were too much alike to tell more."""
    total_cells, total_seconds = sum(cells), sum(seconds)
    mean_cells, mean_seconds = total_cells / len(cells), total_seconds / len(cells)
    spread = sum((cell - mean_cells) ** 2 for cell in cells)
    through_zero = Pace(per_update=0.0, per_cell=total_seconds / total_cells)
    if len(cells) < 3 or spread < (0.1 * mean_cells) ** 2 * len(cells):
        return through_zero
    slope = sum((c - mean_cells) * (s - mean_seconds) for c, s in zip(cells, seconds, strict=True)) / spread
    rest = mean_seconds - slope * mean_cells
    if rest < 0:
        return through_zero
    # noise alone may turn the line; the mean still holds, and the updates that are summed lie around it
    return Pace(per_update=rest, per_cell=slope) if slope > 0 else Pace(per_update=mean_seconds, per_cell=0.0)


def forward_flops(one: Situation, *, rows: int, length: int) -> float:
    """Operations of one pass: every matrix, the head, the adapters, and causal attention."""
    tokens, shape = rows * length, one.shape
    matrices = shape.num_linear + shape.vocabulary * shape.hidden + one.num_trainable
    attention = 2 * shape.queries * length / 2 * shape.layers  # scores and their sums, half of them masked
    return _MULTIPLY_ADD * tokens * (matrices + attention)


def training_flops(one: Situation, *, rows: int, length: int) -> float:
    """Forward, the gradients of activations, those of adapters alone; forward once more where nothing was kept."""
    forward = forward_flops(one, rows=rows, length=length)
    tokens, shape = rows * length, one.shape
    attention = _MULTIPLY_ADD * tokens * shape.queries * length / 2 * shape.layers * 2  # its backward pass is twice
    own = _MULTIPLY_ADD * tokens * one.num_trainable
    return forward * (3 if one.checkpointing else 2) + attention + own


def arithmetic_seconds(one: Situation, room: Room, *, cells: int, length: float) -> float | None:
    """Seconds of training on so many cells of rows about `length` long; None where the device's speed is unknown."""
    if room.flops is None or not cells:
        return None
    rows = cells / max(1.0, length)
    flops = training_flops(one, rows=1, length=round(length)) * rows
    return flops / (room.flops * room.utilisation)


def scoring_seconds(one: Situation, room: Room, *, num_tokens: int, length: float) -> float | None:
    """Seconds of forward passes over so many tokens."""
    if room.flops is None or not num_tokens:
        return None
    return (
        forward_flops(one, rows=1, length=round(length)) / max(1.0, length) * num_tokens
        / (room.flops * room.utilisation)
    )  # fmt: skip


def writing_seconds(one: Situation, room: Room, *, num_batches: int, num_tokens: int, weights: int) -> float | None:
    """Seconds of so many batches that write so many tokens one after the other: each reads all weights once."""
    if room.bandwidth is None:
        return None
    return num_batches * num_tokens * weights / room.bandwidth
