"""A plan for people, in 80 columns."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune_lab.planning.memory import longest_first
from finetune_lab.planning.schedule import Item
from finetune_lab.text.tables import WIDTH, printable
from finetune_lab.text.units import bytes_text, duration_text

_BAR = 34  # characters of the longest bar
_TOLD_BY = {
    "weights": "counted in its files",
    "config": "by its config.json",
    "size": "a typical one of its size",
}
_STATES = {
    "fits": ("fits", "green"),
    "near": ("near the limit", "yellow"),
    "cannot": ("does not fit", "bold red"),
    "unknown": ("free memory unknown", "yellow"),
}


def show(console: Console, plan: Any) -> None:
    """Print what it takes: parameters, memory, time, cost, and what would fit instead."""
    _say(console, plan.title, style="bold")
    if plan.ready.foreseen:
        _parameters(console, plan)
        _memory(console, plan)
    else:
        _say(console, "nothing is trained, or the model does not tell its shape: no memory is reckoned")
    _measured(console, plan)
    _time(console, plan.items, plan.room)
    for line in plan.judges:
        _say(console, f"judge     {line}")
    if plan.instead:
        _instead(console, plan.instead)


def _parameters(console: Console, plan: Any) -> None:
    one = plan.ready.foreseen.situation
    share = 100 * one.num_trainable / max(1, one.shape.num_parameters)
    _say(
        console,
        f"base      {one.shape.num_parameters:,} parameters ({_TOLD_BY[one.shape.origin]}), "
        f"{one.quantization if one.quantization != 'none' else 'plain'}, computed in {plan.ready.precision}",
    )
    _say(console, f"adapter   {one.num_trainable:,} parameters, all trained ({share:.2g} % of the base)")
    kept = "computed again" if one.checkpointing else "kept"
    _say(console, f"longest   {one.rows} rows × {one.length} tokens in one pass; activations are {kept}\n")


def _memory(console: Console, plan: Any) -> None:
    memory, room = plan.ready.foreseen.memory, plan.room
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column(f"memory, at its largest ({memory.moment})", overflow="fold", ratio=1)
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("", width=_BAR, no_wrap=True)
    parts = [entry for entry in longest_first(memory.parts) if entry[1]]
    most = parts[0][1] if parts else 1
    for name, size in parts:
        table.add_row(Text(name), bytes_text(size), Text("█" * max(1, round(_BAR * size / most)), style="cyan"))
    table.add_row(Text("by arithmetic", style="bold"), Text(bytes_text(memory.total), style="bold"), "")
    if plan.measured and plan.measured.failure is None:
        table.add_row(Text("measured", style="bold"), Text(bytes_text(plan.measured.peak_bytes), style="bold"), "")
    word, style = _STATES[plan.ready.foreseen.state]
    where = f"{bytes_text(room.num_bytes)} on {room.name}: " if room else ""
    table.add_row(Text("room"), "", Text(printable(f"{where}{word}"), style=style))
    console.print(table)


def _measured(console: Console, plan: Any) -> None:
    if plan.measured is None:
        _say(console, f"not measured: {plan.why_not}; memory within 25 % (docs/planning.md)\n")
    elif plan.measured.failure:
        _say(console, f"the longest batch could not be run: {plan.measured.failure}\n", style="bold red")


def _time(console: Console, items: Sequence[Item], room: Any) -> None:
    if not items:
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), width=WIDTH)
    for name in ("time", "amount"):
        table.add_column(name, overflow="fold", ratio=1)
    table.add_column("takes", justify="right", no_wrap=True)
    table.add_column("by", no_wrap=True)
    for item in items:
        table.add_row(Text(printable(item.name)), Text(item.amount), _takes(item), Text(item.source, style="dim"))
    known = [item.seconds for item in items if item.seconds is not None]
    whole = len(known) == len(items)
    total = sum(known)
    table.add_row(Text("all", style="bold"), "", f"{duration_text(total)}" if whole else "unknown", "")
    console.print(table)
    if whole and room and room.price_per_hour:
        _say(console, f"cost      about {total / 3600 * room.price_per_hour:.2f} at {room.price_per_hour:g} an hour")
    else:
        _say(console, "cost      unknown: say task.device.price_per_hour=…")


def _takes(item: Item) -> str:
    if item.seconds is None:
        return "unknown"
    return f"{'at most ' if item.at_most else ''}{duration_text(item.seconds)}"


def _instead(console: Console, instead: Sequence[Any]) -> None:
    _say(console, "\nwhat would fit instead (= the same run, by another way):")
    for one in instead:
        mark = "=" if one.same else " "
        _say(console, f"  {mark} {bytes_text(one.num_bytes):>7}  {' '.join(one.overrides)}")


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text("\n".join(map(printable, text.split("\n"))), style=style))
