"""When to ask again: errors that pass are waited out, each kind in its own way."""

import random
import threading
import time
from email.utils import parsedate_to_datetime

from finetune_lab.inference.clients.exchange import Trouble
from finetune_lab.inference.clients.limits import Limits

PASSING = ("busy", "server", "connection", "timeout", "malformed")


class Patience:
    """How often and how long one request has waited, and whether it may once more."""

    def __init__(self, limits: Limits, draw: random.Random) -> None:
        self._limits = limits
        self._draw = draw
        self._num_errors = 0
        self._num_busy = 0
        self._waited_seconds = 0.0

    def wait_seconds(self, trouble: Trouble) -> float | None:
        """The seconds until the next try; None: give up."""
        if trouble.kind not in PASSING:
            return None
        if trouble.kind == "busy":
            self._num_busy += 1
            wait = self._backoff(self._num_busy)
        else:
            self._num_errors += 1
            if self._num_errors >= self._limits.tries:
                return None
            wait = self._backoff(self._num_errors)
        if trouble.retry_after_seconds is not None:  # jitter on top of it: all who were told so come at different times
            wait = trouble.retry_after_seconds + self._draw.uniform(0, self._limits.first_wait_seconds)
        self._waited_seconds += wait
        return wait if self._waited_seconds <= self._limits.patience_seconds else None

    def _backoff(self, number: int) -> float:
        longest = min(self._limits.longest_wait_seconds, self._limits.first_wait_seconds * 2.0 ** (number - 1))
        return longest * self._draw.uniform(0.5, 1)


class Gate:
    """Shut for everybody while a server says that we are too fast."""

    def __init__(self) -> None:
        self._open_at = 0.0
        self._lock = threading.Lock()

    def shut(self, seconds: float) -> None:
        with self._lock:
            self._open_at = max(self._open_at, time.monotonic() + seconds)

    def pass_through(self, stop: threading.Event) -> None:
        """Wait until the gate is open or all is to end."""
        while not stop.is_set() and (left := self._open_at - time.monotonic()) > 0:
            stop.wait(left)


def retry_after(value: str | None) -> float | None:
    """Seconds from a header Retry-After, which holds seconds or a date; None where it says nothing readable."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(seconds, 0.0) if seconds < float("inf") else None
