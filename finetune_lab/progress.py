"""Progress of long work on the terminal: a bar where somebody watches, silence where output goes to a file."""

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def track(items: Sequence[T], what: str) -> Iterator[T]:
    """Yield `items` under a bar; nothing is drawn when the output is not a terminal or there is only one item."""
    if len(items) < 2 or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, description=f"{what:8}", console=Console(stderr=True), transient=True)
