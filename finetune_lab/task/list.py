"""Which runs there are, how far they are, and what they cost in disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from finetune_lab.errors import LabError
from finetune_lab.plugin import plugin
from finetune_lab.store.folders import disk_bytes, holder, owned
from finetune_lab.store.questions import Member, RunRow
from finetune_lab.store.store import Store
from finetune_lab.text.terminal import one_line
from finetune_lab.text.units import bytes_text, duration_text

if TYPE_CHECKING:
    from finetune_lab.lab import Lab

_STYLE = {"done": "green", "failed": "red", "running": "cyan", "stopped": "yellow"}
_HEADS = ("key", "status", "seed", "steps", "val loss", "disk", "age")
KEY_CHARACTERS = 8  # enough to name a run to the other tasks


@dataclass(frozen=True, kw_only=True)
class _Line:
    group: str
    label: str
    model: str
    key: str
    status: str
    seed: str = ""
    steps: str = ""
    loss: str = ""
    age: str = ""


@plugin
class List:
    """`all_groups`: every run of the store, instead of those of the lab's group."""

    all_groups: bool

    def execute(self, lab: "Lab") -> None:
        rows = lab.store.runs(None if self.all_groups else lab.group)
        names = list(lab.store.groups()) if self.all_groups else [lab.group]
        bases = [m for name in names for m in lab.store.members(name) if m.run == m.base]
        if not rows and not bases:
            raise LabError(_nothing(lab, self.all_groups))
        lines = [_base_line(member) for member in bases] + [_run_line(row, lab.store) for row in rows]
        console = Console(highlight=False, emoji=False)
        console.print(_table(lines, lab.outputs, None if self.all_groups else lab.group, console.width))
        for row in rows:
            if row.status == "failed":
                console.print(f"[red]failed[/] {row.key[:KEY_CHARACTERS]}: {one_line(row.error or 'unknown', 200)}")


def _nothing(lab: "Lab", all_groups: bool) -> str:
    found = lab.store.groups()
    others = ", ".join(f"{name} ({number})" for name, number in found.items())
    if others and not all_groups:
        return f"no runs in group {lab.group!r}; there are: {others}; take group=… or task.all_groups=true"
    return f"no runs below {lab.outputs}: make one with task=run, or, if there are folders, run task=reindex"


def _run_line(row: RunRow, store: Store) -> _Line:
    curve = store.curve(row.key) if not row.report else {}
    losses = [value for _, value in curve.get("validation/loss", ()) if value == value]  # not nan
    reached = max((step for points in curve.values() for step, _ in points), default=None)
    loss = row.report.get("best_validation_loss", min(losses, default=None))
    steps = row.report.get("num_steps", reached)
    return _Line(
        group=", ".join(row.groups),
        label=row.label,
        model=row.model,
        key=row.key,
        status=state(row),
        seed=str(row.seed),
        steps="" if steps is None else str(steps),
        loss="" if loss is None else f"{loss:.4g}",
        age=_age(row.started),
    )


def _base_line(member: Member) -> _Line:
    whose = {"group": member.group, "label": member.label, "model": member.model, "key": member.run}
    return _Line(**whose, status="base", age=_age(member.joined))


def state(row: RunRow) -> str:
    """The status, or `stopped` for one that was running when its process died."""
    return "stopped" if row.status == "running" and holder(row.folder) is None else row.status


def _age(moment: str | None) -> str:
    if moment is None:
        return ""
    return duration_text((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


def _table(lines: Sequence[_Line], outputs: Path, group: str | None, width: int) -> Table:
    """The lines as a table of at most `width` columns: long names are cut, numbers and keys never are."""
    places = owned(outputs)
    names = ("label", "model") if group else ("group", "label", "model")
    named = [[getattr(line, name) or "-" for name in names] for line in lines]
    rest = [_numbers(line, sum(disk_bytes(place) for place in places.get(line.key, ()))) for line in lines]
    taken = sum(1 + max(map(len, cells)) for cells in zip(_HEADS, *rest, strict=True))
    lengths = _shares([max(map(len, cells)) for cells in zip(names, *named, strict=True)], width - taken - len(names))
    title = f"group {one_line(group, 60)}" if group else "all groups"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in (*names, *_HEADS):
        table.add_column(name, no_wrap=True, justify="right" if name in _HEADS[2:] else "left")
    for own, (key, status, *numbers) in zip(named, rest, strict=True):
        cut = [one_line(text, length) for text, length in zip(own, lengths, strict=True)]
        table.add_row(*cut, key, f"[{_STYLE.get(status, 'default')}]{status}[/]", *numbers)
    return table


def _numbers(line: _Line, disk: int) -> list[str]:
    key = line.key.removeprefix("base-")[:KEY_CHARACTERS]
    return [key, line.status, line.seed, line.steps, line.loss, bytes_text(disk), line.age]


def _shares(needs: Sequence[int], room: int) -> list[int]:
    """How long each name may be: what it needs, or an equal part of what the shorter ones leave; 4 at least."""
    given = [0] * len(needs)
    for left, place in enumerate(sorted(range(len(needs)), key=lambda place: needs[place])):
        given[place] = max(4, min(needs[place], (room - sum(given)) // (len(needs) - left)))
    return given
