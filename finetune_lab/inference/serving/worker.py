"""The one thread that writes: requests wait in a row, join those that are being written, and leave when they end."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from finetune_lab.inference.adapters import Adapters
from finetune_lab.inference.engine import Engine
from finetune_lab.inference.streaming import Conversations, Piece
from finetune_lab.records import Decoding

log = logging.getLogger(__name__)


class Full(Exception):  # noqa: N818
    """As many requests are waiting as may."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request. `hand` takes its pieces, in the worker's thread; an exception is the last thing that it takes."""

    name: str
    adapter: str | None
    prompt: list[int]
    decoding: Decoding
    hand: Callable[[Piece | Exception], None]
    gone: threading.Event = field(default_factory=threading.Event)  # set: nobody waits for it any more


class Worker:
    """Writes up to `max_rows` texts side by side; up to `max_waiting` more wait for a place."""

    def __init__(self, engine: Engine, adapters: Adapters, *, max_rows: int, max_waiting: int) -> None:
        self._engine = engine
        self._adapters = adapters
        self._max_rows = max_rows
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._waiting: deque[Asked] = deque()
        self._writing: dict[str, Asked] = {}
        self._groups: dict[str | None, Conversations] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of everything, and wait for the step that is being done."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def ask(self, asked: Asked) -> None:
        """Put a request in the row. Raises Full."""
        with self._changed:
            if len(self._waiting) >= self._max_waiting or self._stopping:
                raise Full
            self._waiting.append(asked)
            self._changed.notify()

    def leave(self, asked: Asked) -> None:
        """Nobody waits for this one any more: its place is free with the next step."""
        asked.gone.set()
        with self._changed:
            self._changed.notify()

    @property
    def load(self) -> tuple[int, int]:
        """How many are being written, and how many wait."""
        with self._changed:
            return len(self._writing), len(self._waiting)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._stopping or self._waiting or self._writing):
                    self._changed.wait()
                if self._stopping:
                    break
            self._forget()
            self._admit()
            for adapter, texts in list(self._groups.items()):
                self._step(adapter, texts)
        for asked in [*self._writing.values(), *self._waiting]:
            asked.hand(Full())

    def _forget(self) -> None:
        """Let go of those that nobody waits for."""
        with self._changed:
            self._waiting = deque(asked for asked in self._waiting if not asked.gone.is_set())
            left = [asked for asked in self._writing.values() if asked.gone.is_set()]
            for asked in left:
                del self._writing[asked.name]
        for asked in left:
            self._groups[asked.adapter].leave(asked.name)

    def _admit(self) -> None:
        """Let those join that there is room for, in their order."""
        while True:
            with self._changed:
                if len(self._writing) >= self._max_rows:
                    return
                asked = next((one for one in self._waiting if self._texts(one.adapter).takes_more), None)
                if asked is None:
                    return
                self._waiting.remove(asked)
                self._writing[asked.name] = asked
            try:
                self._adapters.use(asked.adapter)
                texts = self._texts(asked.adapter)
                self._hand(texts.join(asked.name, asked.prompt, asked.decoding, draw="0"))  # the seed alone tells
            except Exception as error:  # of this request alone; the thread serves the others as well
                log.warning("a request failed: %s", error)
                self._end(asked.name, error)

    def _step(self, adapter: str | None, texts: Conversations) -> None:
        if not len(texts):
            del self._groups[adapter]  # its memory goes with it
            return
        try:
            self._adapters.use(adapter)
            for piece in texts.step():
                self._hand(piece)
        except Exception as error:
            log.warning("requests failed: %s", error)
            del self._groups[adapter]
            for asked in [one for one in self._writing.values() if one.adapter == adapter]:
                self._end(asked.name, error)

    def _texts(self, adapter: str | None) -> Conversations:
        if adapter not in self._groups:
            self._groups[adapter] = Conversations(self._engine)
        return self._groups[adapter]

    def _hand(self, piece: Piece) -> None:
        asked = self._writing[piece.name]
        if piece.finish is not None:
            with self._changed:
                del self._writing[piece.name]
        asked.hand(piece)

    def _end(self, name: str, error: Exception) -> None:
        with self._changed:
            asked = self._writing.pop(name)
        asked.hand(error)
