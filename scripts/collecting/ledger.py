"""What was collected and what it cost: a killed collection goes on where it was and never pays twice unawares."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from finetune_lab.errors import DataError, LabError
from finetune_lab.once import write_atomically


class SpendingLimitError(LabError):
    """The next request could cost more than what is left of the limit."""


@dataclass(frozen=True, kw_only=True)
class State:
    """`spent_usd` holds what was surely paid; `reserved_usd` what a request under way, or one that was cut, may cost.

    `place` is where each source stands (a page's token, a run and an offset); `done` names the finished ones;
    `num_bytes` is how much of the output belongs to all that.
    """

    spent_usd: float = 0.0
    reserved_usd: float = 0.0
    num_rows: int = 0
    num_bytes: int = 0
    place: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)


class Ledger:
    """An output file of JSON lines and, beside it, its state. What the state does not know is cut off on opening."""

    def __init__(self, output: Path, *, limit_usd: float) -> None:
        self.output, self.limit_usd = output, limit_usd
        self._file = output.with_name(f"{output.name}.state.json")
        self.state = self._read()
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("ab") as stream:  # a kill between rows and state: the rows are asked for again
            stream.truncate(self.state.num_bytes)

    def _read(self) -> State:
        if not self._file.exists():
            if self.output.exists() and self.output.stat().st_size:
                raise DataError(f"{self.output} is there but {self._file.name} is not: name another output")
            return State()
        try:
            state = State(**json.loads(self._file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise DataError(f"{self._file}: not a state of this script ({error})") from None
        if not self.output.exists() or self.output.stat().st_size < state.num_bytes:
            raise DataError(f"{self.output} is shorter than its state says: rows were lost; name another output")
        return state

    @property
    def left_usd(self) -> float:
        """What may still be spent; what a cut request may have cost counts as spent."""
        return self.limit_usd - self.state.spent_usd - self.state.reserved_usd

    def _keep(self, **changed: Any) -> None:
        self.state = replace(self.state, **changed)
        write_atomically(self._file, json.dumps(asdict(self.state), indent=1))

    def reserve(self, usd: float) -> None:
        """Count what the next request may cost as spent before it is sent. Raises SpendingLimitError."""
        if usd > self.left_usd + 1e-9:
            raise SpendingLimitError(
                f"stopped at the spending limit: {self.state.spent_usd + self.state.reserved_usd:.4f} of "
                f"{self.limit_usd:g} USD are spent and the next request may cost {usd:.4f}; "
                "the same line with a higher --spend-at-most goes on from here"
            )
        self._keep(reserved_usd=self.state.reserved_usd + usd)

    def settle(self, reserved: float, paid: float) -> None:
        """A request is over: what it really cost takes the place of what was reserved for it."""
        self._keep(reserved_usd=max(0.0, self.state.reserved_usd - reserved), spent_usd=self.state.spent_usd + paid)

    def at(self, source: str) -> Any:
        """Where a source stands, or None."""
        return self.state.place.get(source)

    def move(self, source: str, place: Any) -> None:
        """Note where a source stands."""
        self._keep(place=self.state.place | {source: place})

    def add(self, source: str, lines: list[dict[str, Any]], *, num_rows: int, place: Any, done: bool) -> None:
        """Write lines, then where their source stands: a kill in between asks for them again, it loses none."""
        with self.output.open("ab") as stream:
            stream.writelines(json.dumps(line, ensure_ascii=True).encode() + b"\n" for line in lines)
            stream.flush()
            os.fsync(stream.fileno())
            size = stream.tell()
        places = {name: where for name, where in self.state.place.items() if name != source}
        self._keep(
            num_rows=self.state.num_rows + num_rows,
            num_bytes=size,
            place=places if done else places | {source: place},
            done=[*self.state.done, source] if done else self.state.done,
        )
