"""What went wrong in the group's runs, by rules of thumb, and the command lines to try next."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator, model_validator
from rich.console import Console

from finetune_lab.errors import ConfigError, LabError
from finetune_lab.maths.diagnosis import SYMPTOMS, Evidence, Finding, Limits, Scored, diagnose
from finetune_lab.maths.moves import Direction, Knob, Plan, Proposal, plan
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.provenance import here
from finetune_lab.store.questions import RunRow
from finetune_lab.store.store import Store
from finetune_lab.task.diagnose_lines import Started, line_of, started
from finetune_lab.task.diagnose_show import show
from finetune_lab.text.overrides import leaves
from finetune_lab.text.tables import plain

if TYPE_CHECKING:
    from finetune_lab.lab import Lab

Names = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One run: what was checked, what to try, and the line of each proposal, or why there are no lines."""

    run: RunRow
    findings: tuple[Finding, ...]
    plan: Plan
    lines: tuple[tuple[str, ...], ...]  # the overrides of each proposal
    no_lines: str | None

    @property
    def symptoms(self) -> tuple[str, ...]:
        """What was found, each once."""
        return tuple(dict.fromkeys(finding.symptom for finding in self.findings if finding.found))

    @property
    def unknown(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.found is None)


@plugin
class Diagnose:
    """`run`: the beginning of a key, or a label; None is every run of the group. At most `num_lines` are printed.

    `limits` are those of the checks, `knobs` what can be turned, `remedies` which way each symptom turns them.
    The scores are named `evaluator/score`.
    """

    run: str | None
    num_lines: Annotated[int, Field(ge=0)]
    limits: Limits
    diversity_scores: Names
    stop_scores: Names
    improvement_scores: Names
    knobs: Mapping[str, Knob]
    remedies: Mapping[str, Mapping[str, Direction]]

    @field_validator("remedies")
    @classmethod
    def _known_symptoms(cls, remedies: Mapping[str, Any]) -> Mapping[str, Any]:
        if wrong := sorted(set(remedies) ^ set(SYMPTOMS)):
            raise ValueError(f"must name every symptom and no other; wrong: {', '.join(wrong)}")
        return remedies

    @model_validator(mode="after")
    def _known_knobs(self) -> "Diagnose":
        if wrong := sorted({knob for turns in self.remedies.values() for knob in turns} - set(self.knobs)):
            raise ValueError(f"remedies turn knobs that are not there: {', '.join(wrong)}")
        return self

    def execute(self, lab: "Lab") -> None:
        rows = [lab.store.find(self.run)] if self.run else lab.store.runs(lab.group)
        if not rows:
            others = ", ".join(lab.store.groups()) or "none"
            raise LabError(f"no runs in group {lab.group!r}; groups: {others}; take group=… or task.run=KEY")
        found = [self._of(row, lab) for row in rows]
        console = Console(highlight=False, emoji=False, width=80)
        for one in found:
            show(console, one, self.num_lines)
        folder = lab.outputs / "reports" / lab.group
        folder.mkdir(parents=True, exist_ok=True)
        report = {"group": lab.group, **asdict(self), "made": here(), "runs": [_row(one) for one in found]}
        write_atomically(folder / "diagnosis.json", json.dumps(plain(report), indent=2) + "\n")
        print(folder / "diagnosis.json")

    def _of(self, row: RunRow, lab: "Lab") -> Diagnosis:
        """Check one run. Without defaults to be relative to there are proposals, but no lines."""
        findings = tuple(diagnose(self._evidence(row, lab.store, lab.group), self.limits))
        symptoms = [finding.symptom for finding in findings if finding.found]
        group = lab.group if lab.group in row.groups or not row.groups else row.groups[0]
        begun, why = None, None
        if symptoms:
            try:
                begun = started(row, {"group": group, "outputs": str(lab.outputs)})
            except ConfigError as error:
                why = str(error)
        settings = dict(leaves(begun.config if begun else row.config))
        turned = plan(symptoms, settings, self.knobs, self.remedies)
        lines, unsaid = _lines(begun, turned.proposals)
        return Diagnosis(run=row, findings=findings, plan=turned, lines=lines, no_lines=why or unsaid)

    def _evidence(self, row: RunRow, store: Store, group: str) -> Evidence:
        scores = _scores(row, store, group)
        kinds = (self.diversity_scores, self.stop_scores, self.improvement_scores)
        diversity, stops, improved = ({name: scores[name] for name in kind if name in scores} for kind in kinds)
        return Evidence(
            curves=store.curve(row.key), report=row.report, diversity=diversity, stops=stops, improved=improved
        )


def _scores(row: RunRow, store: Store, group: str) -> dict[str, Scored]:
    """The run's scores by `evaluator/score` beside its base's; of several measures that of the group, or the last."""
    names = [group, *row.groups] if group in row.groups else row.groups
    mine = [member.measures for name in names for member in store.members(name) if member.run == row.key]
    wanted = mine[0] if mine else {}
    base = {(score.measure, score.name): score.value for score in store.scores([row.base])}
    return {
        f"{score.evaluator}/{score.name}": Scored(
            value=score.value, base=base.get((score.measure, score.name)), higher_is_better=score.higher_is_better
        )
        for score in store.scores([row.key])
        if wanted.get(score.evaluator, score.measure) == score.measure
    }


def _lines(begun: Started | None, proposals: Sequence[Proposal]) -> tuple[tuple[tuple[str, ...], ...], str | None]:
    """The overrides of every proposal, or none and why."""
    if begun is None:
        return (), None
    try:
        return tuple(line_of(begun, proposal.changes) for proposal in proposals), None
    except ConfigError as error:
        return (), str(error)


def _row(one: Diagnosis) -> dict[str, Any]:
    """A diagnosis as the file holds it."""
    about = {name: getattr(one.run, name) for name in ("key", "label", "model", "data", "method", "seed", "status")}
    proposals = [asdict(proposal) for proposal in one.plan.proposals]
    lines: Sequence[Any] = one.lines or [None] * len(proposals)
    return {
        **about,
        "symptoms": one.symptoms,
        "findings": [asdict(finding) for finding in one.findings],
        "unknown": {f"{finding.symptom}: {finding.check}": finding.note for finding in one.unknown},
        "proposals": [row | {"overrides": line} for row, line in zip(proposals, lines, strict=True)],
        "advice": one.plan.advice,
        "withheld": one.plan.withheld,
        "no_lines": one.no_lines,
    }
