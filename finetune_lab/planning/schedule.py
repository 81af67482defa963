"""The time of a whole line, item by item: training, its evaluations, and what the evaluators ask of the model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from finetune_lab.planning.fitting import Foreseen
from finetune_lab.planning.inference import Work
from finetune_lab.planning.lengths import Passes
from finetune_lab.planning.measuring import Measured
from finetune_lab.planning.memory import weight_bytes
from finetune_lab.planning.outline import Outline
from finetune_lab.planning.room import Room
from finetune_lab.planning.timing import arithmetic_seconds, pace, scoring_seconds, writing_seconds

_USUAL_BYTES_PER_TOKEN = 4
SIDES = 2  # base and tuned


@dataclass(frozen=True, kw_only=True)
class Item:
    """A piece of a line; `seconds` None where nothing is known of its speed. `at_most`: answers may end earlier."""

    name: str
    amount: str
    seconds: float | None
    source: Literal["measured", "arithmetic"]
    at_most: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a line will do, in numbers. Lengths in tokens; `mean_length` and `num_rows` are of the training's rows."""

    outline: Outline | None
    updates: Sequence[Passes]
    num_validation_tokens: int
    mean_length: float
    num_rows: int
    work: Sequence[Work]
    batch_rows: int

    @property
    def num_updates(self) -> int:
        """By the rows as they are, or as the method counts them."""
        return len(self.updates) or (self.outline.num_steps(self.num_rows) if self.outline else 0)

    @property
    def num_cells(self) -> int:
        """Of all passes of the training, padding with them."""
        if self.updates:
            return sum(sum(one.cells) for one in self.updates)
        return round(self.num_updates * self.mean_length * (self.outline.rows_per_step if self.outline else 0))

    @property
    def num_evaluations(self) -> int:
        """Within the training, one of them at its end."""
        return math.ceil(self.num_updates / self.outline.evaluate_every) if self.outline else 0


def timeline(line: Line, foreseen: Foreseen | None, room: Room | None, measured: Measured | None) -> list[Item]:
    """Every item with its time."""
    found = measured if measured and measured.failure is None else None
    items = list(_training(line, foreseen, room, found)) if line.outline else []
    return items + [_evaluation(work, line, foreseen, room, found) for work in line.work]


def _training(line: Line, foreseen: Foreseen | None, room: Room | None, measured: Measured | None) -> Iterator[Item]:
    assert line.outline is not None
    cells = line.num_validation_tokens * line.num_evaluations
    if measured and measured.timed:
        steps = pace([one.cells for one in measured.timed], [one.seconds for one in measured.timed])
        training: float | None = steps.seconds(line.updates)
        checks: float | None = cells * measured.evaluation_seconds_per_cell
    elif foreseen and room:
        one = foreseen.situation
        training = arithmetic_seconds(one, room, cells=line.num_cells, length=line.mean_length)
        checks = scoring_seconds(one, room, num_tokens=cells, length=line.mean_length)
    else:
        training = checks = None
    source: Literal["measured", "arithmetic"] = "measured" if measured and measured.timed else "arithmetic"
    yield Item(name="training", amount=f"{line.num_updates:,} steps", seconds=training, source=source)
    yield Item(name="validation", amount=f"{line.num_evaluations} times", seconds=checks, source=source)


def _evaluation(
    work: Work, line: Line, foreseen: Foreseen | None, room: Room | None, measured: Measured | None
) -> Item:
    tokens, sides = sum(map(_tokens, work.rows)), SIDES * work.repeats
    length = tokens / max(1, len(work.rows))
    one = foreseen.situation if foreseen else None
    if measured:
        seconds: float | None = tokens * measured.scoring_seconds_per_token
    else:
        seconds = scoring_seconds(one, room, num_tokens=tokens, length=length) if one and room else None
    source: Literal["measured", "arithmetic"] = "measured" if measured else "arithmetic"
    if work.decoding is None:
        return Item(name=work.name, amount=f"{len(work.rows)} rows × 2", seconds=_times(seconds, sides), source=source)
    batches, new = math.ceil(len(work.rows) / line.batch_rows), work.decoding.max_new_tokens
    if measured:
        # a batch as full as it will be costs more than the few rows that were timed, on a processor in proportion
        writing: float | None = measured.writing_seconds_per_step * batches * new
    else:
        writing = None
        if one and room:
            writing = writing_seconds(one, room, num_batches=batches, num_tokens=new, weights=weight_bytes(one))
    both = None if seconds is None or writing is None else seconds + writing
    amount = f"{len(work.rows)} answers × 2, {new} tokens"
    return Item(name=work.name, amount=amount, seconds=_times(both, sides), source=source, at_most=True)


def _times(seconds: float | None, sides: int) -> float | None:
    return None if seconds is None else seconds * sides


def _tokens(row: object) -> int:
    messages = getattr(row, "messages", ())
    texts = [str(turn.get("content") or "") for turn in messages] or [str(getattr(row, "text", "") or "")]
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) // _USUAL_BYTES_PER_TOKEN + 1
