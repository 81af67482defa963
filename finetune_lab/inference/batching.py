"""Batches for inference: sorted by length, within a budget of rows and tokens, smaller once memory has run out."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from finetune_lab.progress import track

log = logging.getLogger(__name__)
T = TypeVar("T")


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


class Batcher:
    """How much a model is given at once. `max_rows` falls when memory runs out, and stays there."""

    def __init__(self, *, max_rows: int, max_tokens: int) -> None:
        self.max_rows = max_rows
        self.max_tokens = max_tokens

    def each(
        self,
        lengths: Sequence[int],
        work: Callable[[list[int]], T],
        title: str,
        *,
        extra_tokens: int = 0,
        max_tokens: int | None = None,
        threads: int = 1,
    ) -> Iterator[tuple[list[int], T]]:
        """Yield the indices of each batch with `work(indices)`; batches halve where memory runs out.

        `max_tokens` is a budget of this work's own, beside the batcher's. With several `threads` as many batches are
        worked on at once, each in a thread of a processor, and the budget is shared between them.
        """
        budget = min(self.max_tokens, max_tokens or self.max_tokens) // threads
        rows = math.ceil(self.max_rows / threads)
        groups = batches(lengths, max_rows=rows, max_tokens=budget, extra_tokens=extra_tokens)
        if threads > 1:
            yield from _side_by_side(list(groups), work, title, threads)
            return
        for group in track(list(groups), title):
            yield from self._done(group, work)

    def _done(self, group: list[int], work: Callable[[list[int]], T]) -> Iterator[tuple[list[int], T]]:
        """One batch, in halves where it is larger than what has fitted."""
        if len(group) <= self.max_rows:
            made = _tried(group, work)
            if made is not None:
                yield group, made
                return
            torch.cuda.empty_cache()
            self.max_rows = math.ceil(len(group) / 2)
            log.info("memory   ran out at %d rows; going on with %d", len(group), self.max_rows)
        half = math.ceil(len(group) / 2)
        yield from self._done(group[:half], work)
        yield from self._done(group[half:], work)


def _side_by_side(
    groups: Sequence[list[int]], work: Callable[[list[int]], T], title: str, threads: int
) -> Iterator[tuple[list[int], T]]:
    """Batches in threads of one core each: nothing waits for the slower half of every small operation."""
    inner = max(1, torch.get_num_threads() // threads)
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(inner,))
    try:
        made = pool.map(work, groups)
        for group in track(groups, title):
            yield group, next(made)
    finally:
        pool.shutdown(cancel_futures=True)


def _tried(group: list[int], work: Callable[[list[int]], T]) -> T | None:
    """None where memory ran out. Nothing is tried in the handler: the error holds on to what did not fit."""
    try:
        return work(group)
    except torch.OutOfMemoryError:
        if len(group) == 1:
            raise
        return None
