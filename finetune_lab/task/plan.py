"""What a line takes before anything is spent: parameters, memory by part, time and cost; and what would fit instead."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PositiveInt, SkipValidation
from rich.console import Console

from finetune_lab.errors import LabError, WorldError
from finetune_lab.once import write_atomically
from finetune_lab.planning.alternatives import Alternative
from finetune_lab.planning.fitting import smaller
from finetune_lab.planning.measuring import Measured, measure
from finetune_lab.planning.room import Room
from finetune_lab.planning.schedule import Item, timeline
from finetune_lab.plugin import plugin
from finetune_lab.task.plan_ready import Ready, prepared
from finetune_lab.task.plan_show import show

if TYPE_CHECKING:
    from finetune_lab.lab import Lab


@dataclass(frozen=True, kw_only=True)
class Planned:
    """Everything that is shown and written. `why_not`: the reason that nothing was measured."""

    title: str
    room: Room | None
    ready: Ready
    measured: Measured | None
    why_not: str
    items: Sequence[Item]
    instead: Sequence[Alternative]
    judges: Sequence[str]


@plugin
class Plan:
    """`device`: where it would run. `measure`: auto measures where the model and the device are here and it may fit.

    `usual_batches` updates are timed beside the longest.
    """

    device: SkipValidation[Any]
    measure: Literal["auto", "on", "off"]
    usual_batches: PositiveInt

    def execute(self, lab: "Lab") -> None:
        """Show the plan and write it as outputs/plans/<method>-<model>/plan.json."""
        room: Room | None = self.device.room(lab.runtime)
        lab.method.check(lab.model)
        planned = self._planned(lab, room)
        show(Console(highlight=False), planned)
        path = lab.outputs / "plans" / f"{lab.names.method}-{lab.names.model}" / "plan.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(_plain(planned), indent=2))
        print(f"plan      {path}")
        print("next      this line with task=run in the place of task=plan")

    def _planned(self, lab: "Lab", room: Room | None) -> Planned:
        ready = prepared(lab, room, self.usual_batches)
        foreseen = ready.foreseen
        why_not = self._hindrance(lab, room, ready)
        if why_not and self.measure == "on":
            raise WorldError(f"task.measure=on, but {why_not}")
        measured = measure(ready.request) if ready.request and not why_not else None
        tight = foreseen is not None and foreseen.state in ("cannot", "near")
        return Planned(
            title=f"{lab.names.method} on {lab.names.model}, data {lab.names.data}, seed {lab.seed}",
            room=room,
            ready=ready,
            measured=measured,
            why_not=why_not,
            items=timeline(ready.line, foreseen, room, measured),
            instead=smaller(foreseen, ready.outline) if tight and foreseen and ready.outline else (),
            judges=_judges(lab),
        )

    def _hindrance(self, lab: "Lab", room: Room | None, ready: Ready) -> str:
        """Why nothing can be measured, or an empty text."""
        cannot = ready.foreseen is not None and ready.foreseen.state == "cannot"
        reasons = {
            "task.measure=off": self.measure == "off",
            "this method trains nothing": ready.outline is None,
            f"{room.name if room else 'the device'} is not here": room is not None and room.named,
            "the model's tokenizer cannot be had, or no row can be validated on": ready.request is None,
            "by arithmetic it does not fit (task.measure=on tries)": cannot and self.measure == "auto",
        }
        for reason, holds in reasons.items():
            if holds:
                return reason
        try:
            lab.model.check(lab.runtime)
        except LabError as error:
            return str(error)
        return ""


def _judges(lab: "Lab") -> list[str]:
    """What judge models would be asked at the most, as dry=true tells it."""
    limits = lab.runtime.judges
    return [
        f"{name}: {one.line()}"
        for name, evaluator in lab.evaluators.items()
        for one in getattr(evaluator, "estimate", lambda *_: ())(lab.rows(evaluator), limits)
    ]


def _plain(planned: Planned) -> dict[str, Any]:
    """What is written: every number that is shown, and what it was made of."""
    ready, room = planned.ready, planned.room
    known = [item.seconds for item in planned.items if item.seconds is not None]
    total = sum(known) if len(known) == len(planned.items) else None
    price = room.price_per_hour if room else None
    return {
        "title": planned.title,
        "device": asdict(room) if room else None,
        "precision": ready.precision,
        **_arithmetic(ready),
        "num_updates": ready.line.num_updates,
        "measured": asdict(planned.measured) if planned.measured else None,
        "why_not_measured": planned.why_not,
        "time": [asdict(item) for item in planned.items],
        "seconds": total,
        "cost": None if total is None or price is None else total / 3600 * price,
        "instead": [asdict(one) for one in planned.instead],
        "judges": list(planned.judges),
    }


def _arithmetic(ready: Ready) -> dict[str, Any]:
    found = ready.foreseen
    if found is None:
        return {"parameters": None, "arithmetic": None}
    one, memory = found.situation, found.memory
    return {
        "parameters": {
            "base": one.shape.num_parameters,
            "trainable": one.num_trainable,
            "told_by": one.shape.origin,
        },
        "arithmetic": {
            "state": found.state,
            "total_bytes": memory.total,
            "least_bytes": found.least_bytes,
            "moment": memory.moment,
            "parts": dict(memory.parts),
            "moments": {name: memory.at(name) for name in memory.moments},
            "longest_pass": {"rows": one.rows, "length": one.length},
        },
    }
