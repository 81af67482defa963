"""No tracker: the store and the folders keep everything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune_lab.plugin import plugin
from finetune_lab.protocols import Metrics, Session
from finetune_lab.records import RunCard


class _Silence:
    def log(self, step: int, metrics: Metrics) -> None:
        pass

    def summarise(self, metrics: Metrics) -> None:
        pass

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        pass

    def chart(self, name: str, columns: tuple[str, str], rows: Sequence[Sequence[Any]]) -> None:
        pass

    def page(self, title: str, lines: Sequence[str]) -> None:
        pass

    def files(self, name: str, kind: str, paths: Sequence[Path]) -> None:
        pass


@plugin
class Nothing:
    """Follows no run."""

    def check(self) -> None:
        """There is nothing to miss."""

    @contextmanager
    def session(self, card: RunCard, folder: Path) -> Iterator[Session]:
        yield _Silence()
