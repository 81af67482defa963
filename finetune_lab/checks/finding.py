"""What a check found, and how to ask the world without waiting for it for ever."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`fail` stops work, `warn` stops or spoils some of it; the remedy is what to write or to do."""

    check: str
    state: Literal["ok", "warn", "fail"]
    finding: str
    remedy: str = ""


def bounded(call: Callable[[], Any], seconds: float) -> Any:
    """Return what `call` returns. Raises TimeoutError after `seconds`, even where a name lookup hangs."""
    outcome: list[Any] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # raised again below, in the thread that asked
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not outcome:
        raise TimeoutError(f"no answer in {seconds:g} s")
    return outcome[0]
