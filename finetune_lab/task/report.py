"""The report of a group: one HTML file that opens from disk without a network, and its Markdown twin."""

import json
import logging
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt, SkipValidation

from finetune_lab.errors import LabError
from finetune_lab.lab import Lab
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.reporting.asking import Wanted
from finetune_lab.reporting.markdown import markdown
from finetune_lab.reporting.page import page
from finetune_lab.reporting.parts import ReportData
from finetune_lab.reporting.publishing import publish
from finetune_lab.reporting.report_data import report_data
from finetune_lab.store.catalogue_results import COMPARED_ARMS
from finetune_lab.store.folders import memberships, read_json
from finetune_lab.task.diagnose_lines import PROGRAM, line_of, started

log = logging.getLogger(__name__)
MOST_LINES = 24  # command lines that are worked out; a sweep's others differ in the same knobs
RULES_LEFT_OUT = (
    "The comparison before this one decided by rules. It was made again, since there are newer results, and the line "
    "of this report names no rules: with rules=<their name> and task=compare they decide again."
)
Price = Annotated[float, Field(ge=0)]


@plugin
class Hour:
    """The price of an hour of a kind of machine, named as runs record it, with * and ?."""

    machine: str
    price: Price


@plugin
class Prices:
    """`machine_hours`: prices of an hour, of which the first that fits a machine counts. None: not known."""

    machine_hours: tuple[Hour, ...]
    serving_hour: Price | None
    million_tokens: Price | None
    value_per_point: Price | None


@plugin
class Use:
    """What people choose an arm for, and the metrics that tell; `measured_by` is a key of the task's own."""

    name: str
    metrics: tuple[str, ...]
    measured_by: str


@plugin
class Load:
    """So many requests a second, and how long the first token may take."""

    name: str
    requests_per_second: Annotated[float, Field(gt=0)]
    first_token_ms: Annotated[float, Field(gt=0)]


@plugin
class Report:
    """`compare`: how the comparison is made where there is none, or an older one than the group's newest result.

    The other fields are told in conf/task/report.yaml; all of them are parameters of the questions to the store.
    """

    compare: SkipValidation[Any]
    max_samples: NonNegativeInt
    max_characters: PositiveInt
    points: Annotated[int, Field(ge=2)]
    currency: str
    prices: Prices
    uses: tuple[Use, ...]
    loads: tuple[Load, ...]
    slack: Annotated[float, Field(ge=1)]
    measured_by: dict[str, str]
    track: bool

    def execute(self, lab: Lab) -> None:
        if lab.group not in lab.store.groups():
            known = ", ".join(lab.store.groups()) or "none; task=reindex reads the folders again"
            raise LabError(f"no group {lab.group!r} in the store; there are: {known}")
        report = self._data(lab, self._compared(lab))
        paths = _paths(lab)
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, (page(report), markdown(report)), strict=True):
            write_atomically(path, text)
        if self.track:
            lab.tracker.check()
            publish(report, lab.tracker, lab.outputs, paths)
        print(*paths, sep="\n")

    def replay(self, lab: Lab) -> None:
        """Send the report to the tracker once more, as the store has it; nothing where none was written."""
        paths = _paths(lab)
        if paths[0].exists():
            publish(self._data(lab, []), lab.tracker, lab.outputs, paths)

    def _data(self, lab: Lab, notes: list[str]) -> ReportData:
        lines = _lines(lab)
        told = [f"{PROGRAM} {line}" for line in lines]
        return report_data(lab.store, self._wanted(lab, lines), lines=told, notes=notes)

    def _wanted(self, lab: Lab, lines: list[str]) -> Wanted:
        """What the report is asked for, its settings as parameters that SQLite takes."""
        prices = {name: getattr(self.prices, name) for name in ("serving_hour", "million_tokens", "value_per_point")}
        uses = [{name: getattr(one, name) for name in ("name", "metrics", "measured_by")} for one in self.uses]
        names = ("name", "requests_per_second", "first_token_ms")
        num_runs = max(1, len(lab.store.runs(lab.group)))
        return Wanted(
            group=lab.group,
            parameters={
                **prices,
                "machine_hours": json.dumps(
                    [{"machine": one.machine, "price": one.price} for one in self.prices.machine_hours]
                ),
                "uses": json.dumps(uses),
                "loads": json.dumps([{name: getattr(one, name) for name in names} for one in self.loads]),
                "slack": self.slack,
                "points": max(12, min(self.points, 6000 // num_runs)),  # a page that holds all runs stays small
                "max_samples": self.max_samples,
                "max_characters": self.max_characters,
            },
            uses=uses,
            measured_by=self.measured_by,
            currency=self.currency,
            program=PROGRAM,
            overrides=lines[0].split(" ") if lines else (),
        )

    def _compared(self, lab: Lab) -> list[str]:
        """Make the comparison where there is none that knows all results; what a reader must know of it."""
        path = lab.outputs / "reports" / lab.group / "comparison.json"
        notes = []
        try:
            if path.exists() and path.stat().st_mtime >= _newest(lab):
                lab.store.index_report(path)
                if lab.store.ask(COMPARED_ARMS, {"group": lab.group}).rows:
                    return []
            if path.exists() and lab.rules is None and read_json(path).get("rules") is not None:
                notes.append(RULES_LEFT_OUT)
            self.compare.compare(lab)
        except LabError as error:
            log.info("comparison  %s", error)
            notes.append(f"There is no comparison: {error}.")
        return notes


def _paths(lab: Lab) -> list[Path]:
    folder = lab.outputs / "reports" / lab.group
    return [folder / "report.html", folder / "report.md"]


def _newest(lab: Lab) -> float:
    """When the newest membership or evaluation of the group was written, in seconds since 1970."""
    members = lab.store.members(lab.group)
    files = [path for path in memberships(lab.outputs) if path.parent.name == lab.group]
    subjects = {subject for member in members for subject in (member.run, member.base)}
    files += [row.folder / "done.json" for subject in subjects for row in lab.store.evaluations(subject)]
    return max((path.stat().st_mtime for path in files if path.exists()), default=0.0)


def _lines(lab: Lab) -> list[str]:
    """The overrides that make the group's runs again, as far as their choices are still there."""
    found: list[str] = []
    gone: set[tuple[str, ...]] = set()
    for row in lab.store.runs(lab.group)[:MOST_LINES]:
        choices = (row.model, row.data, row.method)
        if choices in gone:
            continue
        try:
            found.append(" ".join(line_of(started(row, {"group": lab.group, "outputs": str(lab.outputs)}), [])))
        except LabError as error:
            gone.add(choices)
            log.debug("no line for run %s: %s", row.key, error)
    return found
