"""Whether this machine, its packages and its accounts can do what the config asks for."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from pydantic import PositiveFloat
from rich.console import Console
from rich.table import Table

from finetune_lab.checks import machine, world
from finetune_lab.checks.finding import Finding, bounded
from finetune_lab.errors import LabError, WorldError
from finetune_lab.lab import Lab
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.provenance import here

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@plugin
class Doctor:
    """Prints a table of findings and writes outputs/doctor.json; raises WorldError if something real is broken.

    `network_seconds` bounds each question to the network, and a network that is missing is no failure. Below
    `min_free_gb` on the disk of the outputs there is a warning. `tools` are optional packages: what each serves.
    """

    network_seconds: PositiveFloat
    min_free_gb: PositiveFloat
    tools: Mapping[str, str]

    def execute(self, lab: Lab) -> None:
        findings = [
            *world.packages(world.constraints()),
            *machine.device(),
            *machine.precision(),
            *machine.nf4(),
            *machine.gradients(),
            *world.outputs(lab.outputs, self.min_free_gb),
            *world.hub(self.network_seconds),
            *world.tracking(),
            *self._choices(lab),
            *world.tools(self.tools),
        ]
        _show(findings)
        if all(f.state != "fail" for f in findings if f.check == "outputs"):
            path = lab.outputs / "doctor.json"
            write_atomically(path, json.dumps({"findings": [asdict(f) for f in findings], "made": here()}, indent=2))
        if failed := [f.check for f in findings if f.state == "fail"]:
            raise WorldError(f"the doctor found {len(failed)} failed: {', '.join(failed)}; the remedies stand above")

    def _choices(self, lab: Lab) -> list[Finding]:
        """What the chosen model, data and tracker themselves say about this machine."""
        asked: dict[str, Callable[[], Any]] = {
            f"model {lab.names.model}": lambda: lab.model.check(lab.runtime),
            f"data {lab.names.data}": lab.data.check,
            "tracker": lab.tracker.check,
        }
        return [self._ask(check, question) for check, question in asked.items()]

    def _ask(self, check: str, question: Callable[[], Any]) -> Finding:
        try:
            bounded(question, 3 * self.network_seconds)
        except LabError as error:
            # a machine without this model or these files is a healthy machine: the run that needs them will say so
            return Finding(check=check, state="warn", finding=str(error))
        except TimeoutError as error:
            return Finding(check=check, state="warn", finding=str(error), remedy="the network may be missing")
        return Finding(check=check, state="ok", finding="ready")


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for found in findings:
        remedy = f"\n→ {_plain(found.remedy)}" if found.remedy else ""
        state = f"[{STYLES[found.state]}]{found.state}[/]"
        table.add_row(state, _plain(found.check), _plain(found.finding) + remedy)
    console = Console(highlight=False)
    console.print(table)
    counts = Counter(found.state for found in findings)
    console.print(f"\n{counts['ok']} ok, {counts['warn']} warnings, {counts['fail']} failed")


def _plain(text: str) -> str:
    return text.replace("[", r"\[")  # a name in brackets is no markup
