"""What would fit in place of what does not: changes of a config, each with the memory that it would take."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from finetune_lab.planning.memory import Situation, foresee
from finetune_lab.planning.outline import Outline, Pair, load_of

_SHORTEST, _LOWEST_RANK = 128, 4


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Overrides of the command line, and what the training would then take; `same`: it is still the same run."""

    overrides: tuple[str, ...]
    num_bytes: int
    same: bool


@dataclass(frozen=True, kw_only=True)
class _Step:
    overrides: tuple[str, ...]
    situation: Situation
    same: bool


def alternatives(situation: Situation, outline: Outline, room_bytes: int) -> list[Alternative]:
    """The least change of each kind that fits into `room_bytes`, the mildest kind first.

    Where no kind is enough by itself, the fewest of them together; nothing where not even that is.
    """
    single = [_first(kind(situation, outline), room_bytes) for kind in _KINDS]
    fitting = [_measured(step) for step in single if step is not None]
    if fitting:
        return fitting
    together = _measured(_together(situation, outline, room_bytes))
    return [together] if together.num_bytes <= room_bytes else []


def _first(steps: Iterator[_Step], room_bytes: int) -> _Step | None:
    return next((step for step in steps if foresee(step.situation).total <= room_bytes), None)


def _together(situation: Situation, outline: Outline, room_bytes: int) -> _Step:
    """One kind of change after the other, as far as each goes, until it fits."""
    found = _Step(overrides=(), situation=situation, same=True)
    for kind in _KINDS:
        steps = list(kind(found.situation, outline))
        if not steps:
            continue
        enough = [step for step in steps if foresee(step.situation).total <= room_bytes]
        step = enough[0] if enough else steps[-1]
        found = _Step(
            overrides=(*found.overrides, *step.overrides), situation=step.situation, same=found.same and step.same
        )
        if enough:
            break
    return found


def _measured(step: _Step) -> Alternative:
    return Alternative(overrides=step.overrides, num_bytes=foresee(step.situation).total, same=step.same)


def _fewer_rows(situation: Situation, outline: Outline) -> Iterator[_Step]:
    """Smaller passes and more of them: the global batch, and with it the run, stays."""
    total = outline.rows_per_step
    for rows in range(situation.rows - 1, 0, -1):
        if total % rows == 0:
            passes = total // rows
            evaluated = min(situation.evaluation_rows, max(8, rows))
            changed = replace(situation, rows=rows, accumulation=passes, evaluation_rows=evaluated)
            yield _Step(
                overrides=(f"method.batch_size={rows}", f"method.accumulation={passes}"), situation=changed, same=True
            )


def _checkpointing(situation: Situation, outline: Outline) -> Iterator[_Step]:
    if not situation.checkpointing:
        changed = replace(situation, checkpointing=True)
        yield _Step(overrides=("runtime.gradient_checkpointing=on",), situation=changed, same=True)


def _quantised(situation: Situation, outline: Outline) -> Iterator[_Step]:
    if situation.quantization != "nf4":
        yield _Step(overrides=("model.quantization=nf4",), situation=replace(situation, quantization="nf4"), same=False)


def _shorter(situation: Situation, outline: Outline) -> Iterator[_Step]:
    length = min(situation.length, outline.max_length)
    while (length := length // 2) >= _SHORTEST:
        changed = replace(situation, length=length, evaluation_length=min(length, situation.evaluation_length))
        yield _Step(overrides=(f"method.objective.max_length={length}",), situation=changed, same=False)


def _lower_rank(situation: Situation, outline: Outline) -> Iterator[_Step]:
    rank = max((pair.rank for pair in situation.pairs), default=0)
    while (rank := rank // 2) >= _LOWEST_RANK:
        pairs = tuple(_of_rank(pair, rank) for pair in situation.pairs)
        changed = replace(situation, pairs=pairs, load=load_of(outline.optimizer, pairs))
        yield _Step(overrides=(f"method.adapter.rank={rank}",), situation=changed, same=False)


def _of_rank(pair: Pair, rank: int) -> Pair:
    return replace(pair, rank=min(pair.rank, rank))


# what stays the same run comes first, then what changes the fewest things about it
_KINDS = (_fewer_rows, _checkpointing, _quantised, _shorter, _lower_rank)
