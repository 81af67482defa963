"""A diagnosis for people, in 80 columns."""

from collections.abc import Sequence
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune_lab.maths.diagnosis import Finding
from finetune_lab.maths.moves import Change, Plan
from finetune_lab.task.diagnose_lines import PROGRAM
from finetune_lab.text.overrides import command_line
from finetune_lab.text.tables import WIDTH, number, printable

_SIGNS = {"above": ">", "below": "<"}
_WORDS = {True: ("yes", "red"), False: ("no", "dim"), None: ("unknown", "yellow")}


class Shown(Protocol):
    """What is shown; task.diagnose.Diagnosis fits."""

    @property
    def run(self) -> Any: ...
    @property
    def findings(self) -> Sequence[Finding]: ...
    @property
    def plan(self) -> Plan: ...
    @property
    def lines(self) -> Sequence[Sequence[str]]: ...
    @property
    def no_lines(self) -> str | None: ...
    @property
    def symptoms(self) -> Sequence[str]: ...
    @property
    def unknown(self) -> Sequence[Finding]: ...


def show(console: Console, one: Shown, num_lines: int) -> None:
    """Print the evidence, what could not be told, and the first `num_lines` of what to try."""
    console.print(_table(one))
    _say(console, f"{_verdict(one)}\n")
    if one.unknown:
        _say(console, "not checked, which is not fine")
        for note, names in _by_note(one.unknown).items():
            _say(console, f"  {', '.join(names)}: {note}")
        console.print()
    _print_plan(console, one, num_lines)


def _table(one: Shown) -> Table:
    run = one.run
    title = printable(f"{run.label} on {run.model}, seed {run.seed}, {run.key[:8]}: {run.status}")
    table = Table(
        title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), width=WIDTH
    )
    table.add_column("symptom", overflow="fold", ratio=5)
    table.add_column("what was looked at", overflow="fold", ratio=7)
    for name in ("value", "limit"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("shown", no_wrap=True)
    above = ""
    for finding in one.findings:
        word, style = _WORDS[finding.found]
        beside = f" ({finding.note})" if finding.note and finding.found is not None else ""
        limit = f"{_SIGNS[finding.side]} {finding.limit:g}"
        looked = Text(printable(f"{finding.check}{beside}"))
        symptom = "" if finding.symptom == above else _name(finding.symptom)
        above = finding.symptom
        table.add_row(symptom, looked, number(finding.value), limit, Text(word, style=style))
    return table


def _verdict(one: Shown) -> str:
    failed = f"the run failed ({' '.join((one.run.error or 'unknown').split())}); "
    whole = {"done": "", "failed": failed}.get(one.run.status, "the run is not done yet; ")
    known = len(one.findings) - len(one.unknown)
    if one.symptoms:
        return f"{whole}found: {', '.join(map(_name, one.symptoms))}"
    if not known:
        return f"{whole}nothing could be checked"
    return f"{whole}healthy as far as was checked: none of {known} checks shows a symptom, {len(one.unknown)} unknown"


def _by_note(findings: Sequence[Finding]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in findings:
        names = found.setdefault(finding.note, [])
        if _name(finding.symptom) not in names:
            names.append(_name(finding.symptom))
    return found


def _print_plan(console: Console, one: Shown, num_lines: int) -> None:
    proposals = one.plan.proposals
    for place, proposal in enumerate(proposals[:num_lines]):
        changes = ", ".join(map(_change, proposal.changes))
        _say(console, f"try {place + 1}, for {', '.join(map(_name, proposal.symptoms))}: {changes}")
        if one.lines:
            print(f"{command_line(PROGRAM, one.lines[place], WIDTH)}\n")
    if one.no_lines:
        _say(console, f"no command lines: {one.no_lines}")
    if len(proposals) > num_lines:
        rest = "; ".join(_change(proposal.changes[0]) for proposal in proposals[num_lines:])
        _say(console, f"further, in the file: {rest}")
    for line in one.plan.advice:
        _say(console, f"or: {line}")
    for line in one.plan.withheld:
        _say(console, f"not proposed: {line}")


def _change(change: Change) -> str:
    return f"{change.path} {change.old:g} → {change.new:g}"


def _name(symptom: str) -> str:
    return symptom.replace("_", " ")


def _say(console: Console, text: str) -> None:
    console.print("\n".join(map(printable, text.split("\n"))), markup=False)
