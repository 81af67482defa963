"""The order of the rows: a pure function of lengths, seed and steps, so a resumed training sees what it would have."""

import math
from collections.abc import Iterator, Sequence
from random import Random

WINDOW = 4  # batches that are sorted together: 7 % of padding is left, and the batches stay mixed


def num_updates(num_rows: int, *, per_update: int, epochs: float, at_most: int | None) -> int:
    """Updates in all: the epochs, but no more than `at_most`; at least one."""
    wanted = max(1, math.ceil(epochs * num_rows / per_update))
    return min(wanted, at_most) if at_most else wanted


def row_order(lengths: Sequence[int], *, batch_size: int, num_batches: int, seed: int) -> list[int]:
    """Indices of rows for `num_batches` batches in a row; within a batch the lengths are alike, so little is padded.

    Every epoch draws an order, leaves out what is less than a batch, sorts the rows of every `WINDOW` batches by
    length, cuts batches and shuffles these. Sorting all rows would put rows of one kind together, since their lengths
    are alike, and learn less in as many steps (docs/log.md). Fewer rows than a batch: rows are drawn again within it.
    """
    order: list[int] = []
    batches = _batches(lengths, batch_size, seed)
    for _ in range(num_batches):
        order += next(batches)
    return order


def _batches(lengths: Sequence[int], batch_size: int, seed: int) -> Iterator[list[int]]:
    epoch = 0
    while True:
        random = Random(f"{seed}:{epoch}")
        rows = list(range(len(lengths)))
        random.shuffle(rows)
        while len(rows) < batch_size:
            rows += rows[: batch_size - len(rows)]
        rows = rows[: len(rows) - len(rows) % batch_size]
        windows = [rows[start : start + WINDOW * batch_size] for start in range(0, len(rows), WINDOW * batch_size)]
        cut = [batch for window in windows for batch in _sorted_batches(window, lengths, batch_size)]
        random.shuffle(cut)
        yield from cut
        epoch += 1


def _sorted_batches(rows: list[int], lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    ready = sorted(rows, key=lambda row: lengths[row])
    return [ready[start : start + batch_size] for start in range(0, len(ready), batch_size)]
