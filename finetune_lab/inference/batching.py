"""Batches for inference: sorted by length, within a budget of rows and tokens."""

from collections.abc import Iterator, Sequence


def batches(lengths: Sequence[int], *, max_rows: int, max_tokens: int, extra_tokens: int = 0) -> Iterator[list[int]]:
    """Yield indices into `lengths`, longest first (so that what cannot fit fails at once), in batches.

    A batch holds at most `max_rows` rows, and rows × (longest + `extra_tokens`) stays within `max_tokens`, except
    that a row too long by itself makes a batch of one.
    """
    order = sorted(range(len(lengths)), key=lambda n: (-lengths[n], n))
    start = 0
    while start < len(order):
        width = max(1, lengths[order[start]] + extra_tokens)
        size = max(1, min(max_rows, max_tokens // width))
        yield order[start : start + size]
        start += size
