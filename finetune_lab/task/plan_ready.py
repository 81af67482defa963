"""What a plan is made of, asked of a lab: the rows with their lengths, the updates to come, and the arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from finetune_lab.errors import LabError
from finetune_lab.planning.checking import foreseen_on, outline_of
from finetune_lab.planning.fitting import Foreseen
from finetune_lab.planning.inference import Work, work_of
from finetune_lab.planning.lengths import Lengths, Passes, counted, guessed, largest_evaluation
from finetune_lab.planning.measuring import Request, chosen_rows
from finetune_lab.planning.outline import Outline
from finetune_lab.planning.room import Room
from finetune_lab.planning.schedule import Line
from finetune_lab.records import Sample

if TYPE_CHECKING:
    from finetune_lab.lab import Lab

_NO_LIMIT = 10**9


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows that a training takes, with their lengths in tokens; () where the tokenizer cannot be had."""

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    lengths: tuple[int, ...]
    validation_lengths: tuple[int, ...]
    known: Lengths


@dataclass(frozen=True, kw_only=True)
class Ready:
    """Everything that is known before something is run; `request` None where nothing can be rehearsed."""

    precision: str
    outline: Outline | None
    foreseen: Foreseen | None
    updates: Sequence[Passes]
    request: Request | None
    line: Line


def prepared(lab: "Lab", room: Room | None, num_usual: int) -> Ready:
    """Prepare the data, count its tokens, and reckon; nothing is loaded but the tokenizer."""
    outline, precision = outline_of(lab.method), _precision(lab, room)
    rows, there = _rows(lab, outline), _runtime_there(lab, room)
    work = work_of(lab.evaluators, {name: lab.rows(one) for name, one in lab.evaluators.items()})
    updates: Sequence[Passes] = ()
    known, request, foreseen = rows.known, None, None
    if outline and rows.lengths:
        updates, longest, usual = chosen_rows(rows.lengths, outline, seed=lab.seed, num_usual=num_usual)
        evaluated = largest_evaluation(rows.validation_lengths, outline.evaluation_batch_size)
        known = _as_padded(rows, longest, evaluated, outline)
        request = _request(lab, rows, (longest, usual), evaluated, work)
    if outline:
        foreseen = foreseen_on(
            room, lab.model, outline, there.resolved_device(), precision, there.checkpoints_gradients(), known
        )
    line = Line(
        outline=outline,
        updates=updates,
        num_validation_tokens=sum(rows.validation_lengths) or round(len(rows.validation) * rows.known.mean),
        mean_length=rows.known.mean,
        num_rows=rows.known.num_rows,
        work=work,
        batch_rows=there.inference_batch_rows,
    )
    return Ready(precision=precision, outline=outline, foreseen=foreseen, updates=updates, request=request, line=line)


def _runtime_there(lab: "Lab", room: Room | None) -> Any:
    """The runtime as it would be on that device."""
    here: Any = lab.runtime
    return replace(here, device=room.device if room else lab.runtime.resolved_device())


def _precision(lab: "Lab", room: Room | None) -> str:
    asked = lab.model.precision
    return room.precision if room and room.precision and asked == "auto" else lab.runtime.precision(asked)


def _rows(lab: "Lab", outline: Outline | None) -> Rows:
    train, validation = lab.split("train"), lab.split("validation")
    most = outline.max_length if outline else _NO_LIMIT
    try:
        chat = lab.model.chat()
    except (LabError, OSError, ValueError):  # gated, offline: lengths are then guessed by bytes
        known = guessed(lab.data_folder / "train.jsonl", max_length=most)
        return Rows(train=train, validation=validation, lengths=(), validation_lengths=(), known=known)
    kept, checked = (
        [(row, size) for row in split if (size := len(chat.conversation(row).ids)) <= most]
        for split in (train, validation)
    )
    lengths = tuple(size for _, size in kept)
    return Rows(
        train=tuple(row for row, _ in kept),
        validation=tuple(row for row, _ in checked),
        lengths=lengths,
        validation_lengths=tuple(size for _, size in checked),
        known=counted(lengths),
    )


def _as_padded(rows: Rows, longest: Passes, evaluated: Sequence[int], outline: Outline) -> Lengths:
    """The lengths of the largest passes as they will be padded: long rows need not all meet in one."""
    length = -(-max(longest.cells) // outline.batch_size)
    widest = max((rows.validation_lengths[row] for row in evaluated), default=0)
    return replace(rows.known, longest=length, shortest_guess=length, evaluation=(len(evaluated), widest))


def _request(
    lab: "Lab", rows: Rows, picked: tuple[Passes, Sequence[Passes]], evaluated: Sequence[int], work: Sequence[Work]
) -> Request | None:
    if not evaluated:
        return None
    longest, usual = picked
    return Request(
        model=lab.model,
        method=lab.method,
        runtime=lab.runtime,
        seed=lab.seed,
        longest=tuple(rows.train[row] for row in longest.rows),
        usual=tuple(rows.train[row] for one in usual for row in one.rows),
        num_usual=len(usual),
        validation=tuple(rows.validation[row] for row in evaluated),
        scores=bool(work),
        decoding=next((one.decoding for one in work if one.decoding), None),
    )
