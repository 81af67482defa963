"""Whether a training fits: one rule for the check before a start and for the plan that people ask for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from finetune_lab.errors import WorldError
from finetune_lab.planning.alternatives import Alternative, alternatives
from finetune_lab.planning.lengths import Lengths
from finetune_lab.planning.memory import Memory, Situation, foresee, longest_first
from finetune_lab.planning.outline import Outline, load_of, pairs_of
from finetune_lab.planning.room import Room
from finetune_lab.planning.shape import Shape
from finetune_lab.text.units import bytes_text

# Activations and the like are held to 25 % (docs/planning.md); weights, gradients and states are counted.
TOLERANCE = 1.25
# Libraries loaded, or a context on the GPU: needed beside everything that is counted.
PROGRAM_BYTES = {"cpu": 700_000_000, "cuda": 600_000_000, "mps": 700_000_000}


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """A training's memory as arithmetic has it, beside the room that there is; `state`: fits, near, or cannot."""

    situation: Situation
    memory: Memory
    least_bytes: int  # if every guess about lengths is too high
    room: Room | None
    state: Literal["fits", "near", "cannot", "unknown"]


def situation_of(
    shape: Shape,
    outline: Outline,
    *,
    model: Any,
    precision: str,
    room_device: str,
    checkpointing: bool,
    lengths: Lengths,
) -> Situation:
    """The arithmetic's view of a training."""
    pairs = pairs_of(outline.adapter, shape.linears, model.projections)
    device: Any = room_device
    rows, length = lengths.evaluation or (outline.evaluation_batch_size, lengths.longest)
    return Situation(
        shape=shape,
        quantization=model.quantization,
        precision=precision,
        device=device,
        pairs=pairs,
        load=load_of(outline.optimizer, pairs),
        dropout=float(getattr(outline.adapter, "dropout", 0.0)),
        rows=outline.batch_size,
        length=lengths.longest,
        accumulation=outline.accumulation,
        evaluation_rows=rows,
        evaluation_length=length,
        checkpointing=checkpointing,
    )


def judged(situation: Situation, room: Room | None, *, shortest: int) -> Foreseen:
    """Set a training beside the room; `shortest`: the least that its longest row can have in tokens."""
    memory = foresee(situation)
    evaluated = min(shortest, situation.evaluation_length)
    low = foresee(replace(situation, length=shortest, evaluation_length=evaluated))
    least = low.least(TOLERANCE)
    state: Literal["fits", "near", "cannot", "unknown"] = "unknown"
    if room is not None:
        left = room.num_bytes - PROGRAM_BYTES[room.device]
        state = "cannot" if least > left else "near" if memory.total * TOLERANCE > left else "fits"
    return Foreseen(situation=situation, memory=memory, least_bytes=least, room=room, state=state)


def smaller(foreseen: Foreseen, outline: Outline) -> list[Alternative]:
    """What would surely fit in place of a training that does not, the mildest change first."""
    assert foreseen.room is not None
    left = foreseen.room.num_bytes - PROGRAM_BYTES[foreseen.room.device]
    return alternatives(foreseen.situation, outline, round(left / TOLERANCE))


def refusal(foreseen: Foreseen, found: Sequence[Alternative]) -> WorldError:
    """The sentence for a training that cannot fit."""
    assert foreseen.room is not None
    memory, room = foreseen.memory, foreseen.room
    parts = ", ".join(f"{name} {bytes_text(size)}" for name, size in longest_first(memory.parts) if size)
    lines = [
        f"this training does not fit: about {bytes_text(memory.total)} ({parts}), at the least "
        f"{bytes_text(foreseen.least_bytes)}, and {room.name} has {bytes_text(room.num_bytes)} free"
    ]
    lines += [f"  {' '.join(one.overrides)}   about {bytes_text(one.num_bytes)}" for one in found]
    what = "what would fit stands above" if found else "nothing that is tried makes it fit: take a smaller model"
    lines.append(f"{what}; task=plan shows more, runtime.check_memory=false starts it all the same")
    return WorldError("\n".join(lines))
