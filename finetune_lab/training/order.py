"""The order of the rows: a pure function of lengths, seed and steps, so a resumed training sees what it would have."""

from collections.abc import Iterator, Sequence
from random import Random


def row_order(lengths: Sequence[int], *, batch_size: int, num_batches: int, seed: int) -> list[int]:
    """Indices of rows for `num_batches` batches in a row; within a batch the lengths are alike, so little is padded.

    Every epoch draws which rows are left over (fewer than a batch), sorts the others by length with ties in random
    order, cuts batches and shuffles these. Fewer rows than a batch: rows are drawn again within the batch.
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
        rows = sorted(rows[: len(rows) - len(rows) % batch_size], key=lambda row: lengths[row])
        cut = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
        random.shuffle(cut)
        yield from cut
        epoch += 1
