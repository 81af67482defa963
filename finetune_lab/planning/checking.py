"""The check before a start: a training that cannot fit says so now, one that comes near only warns."""

import logging
from pathlib import Path
from typing import Any

from finetune_lab.planning.fitting import Foreseen, judged, refusal, situation_of, smaller
from finetune_lab.planning.lengths import Lengths, guessed, unknown
from finetune_lab.planning.outline import Outline
from finetune_lab.planning.room import Room, room_here
from finetune_lab.text.units import bytes_text

log = logging.getLogger(__name__)


def outline_of(method: Any) -> Outline | None:
    """What a method says of its training; None where it trains nothing."""
    own = getattr(method, "outline", None)
    return own() if own else None


def foreseen_here(model: Any, method: Any, runtime: Any, precision: str, rows: Path | None) -> Foreseen | None:
    """The training on this machine; `rows` is the prepared split, where it is there. None if nothing can be said."""
    outline = outline_of(method)
    if outline is None:
        return None
    lengths = guessed(rows, max_length=outline.max_length) if rows else unknown(outline.max_length)
    room = room_here(runtime.resolved_device())
    return foreseen_on(
        room, model, outline, runtime.resolved_device(), precision, runtime.checkpoints_gradients(), lengths
    )


def foreseen_on(
    room: Room | None,
    model: Any,
    outline: Outline,
    device: str,
    precision: str,
    checkpointing: bool,
    lengths: Lengths,
) -> Foreseen | None:
    """The training on any device; None for a model that does not tell its shape."""
    shape = model.shape() if hasattr(model, "shape") else None
    if shape is None:
        return None
    situation = situation_of(
        shape,
        outline,
        model=model,
        precision=precision,
        room_device=device,
        checkpointing=checkpointing,
        lengths=lengths,
    )
    return judged(situation, room, shortest=lengths.shortest_guess)


def check_memory(model: Any, method: Any, runtime: Any, precision: str, rows: Path | None) -> None:
    """Raise WorldError, with the numbers and with what would fit, for a training that cannot fit on this machine."""
    found = foreseen_here(model, method, runtime, precision, rows)
    if found is None or found.room is None:
        return
    if found.state == "cannot":
        outline = outline_of(method)
        assert outline is not None
        raise refusal(found, smaller(found, outline))
    if found.state == "near":
        word = "likely too much" if found.memory.total > found.room.num_bytes else "near the limit"
        log.info(
            "memory   about %s, and %s has %s free: %s; task=plan measures it",
            bytes_text(found.memory.total),
            found.room.name,
            bytes_text(found.room.num_bytes),
            word,
        )
