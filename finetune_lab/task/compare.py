"""Compare what a group's runs scored: with their base, and with one another."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from finetune_lab.comparison.contenders import Contender, bases_alone, contenders, unfinished
from finetune_lab.comparison.deciding import Decided, decide_all, refused
from finetune_lab.comparison.declaring import declared, result_times
from finetune_lab.comparison.knobs import knobs
from finetune_lab.comparison.outcomes import tallies
from finetune_lab.comparison.overview import overviews
from finetune_lab.comparison.printing import sections, tally_line
from finetune_lab.comparison.publishing import card_of, publish
from finetune_lab.comparison.questions import Questions
from finetune_lab.comparison.ranking import Term, fronts, ranking
from finetune_lab.comparison.report import Arm, Effect, Report, json_of, write
from finetune_lab.comparison.standing import Standing, standings
from finetune_lab.comparison.strengths import strengths
from finetune_lab.comparison.training import compare_trainings
from finetune_lab.errors import ConfigError, LabError
from finetune_lab.fingerprint import describe
from finetune_lab.lab import Lab
from finetune_lab.maths.compare import Difference, Question, compare_many
from finetune_lab.plugin import plugin
from finetune_lab.provenance import here
from finetune_lab.text.tables import csv_of, difference_table, method_lines, printable, shared_caveats

MOST_ARMS = 6  # of one base that are all compared with one another: 15 pairs
MOST_SHOWN = 21  # pairs on the screen: those of MOST_ARMS arms and their base; the files hold all


@plugin
class Compare:
    """`confidence` of the intervals, `resamples` of bootstrap and permutation, drawn from `seed`.

    `reference` is the label of the arm that the others are compared with. `primary` are the metrics
    (evaluator/metric) whose p-values Holm adjusts; without any, those of the rules. `ranking` weighs metrics into one
    score, `quality` is the metric that costs are set against (else the first primary one), `target_loss` the
    validation loss that trainings are timed to (else the lowest that all reached). `gate`: leave with exit code 2
    when the rules refuse. `track`: show it to the tracker, as a run of the group's own. `format` is what is printed;
    the files are written in any case.
    """

    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[int, Field(ge=99)]
    seed: Annotated[int, Field(ge=0)]
    reference: str | None
    primary: tuple[str, ...]
    ranking: tuple[Term, ...]
    quality: str | None
    target_loss: Annotated[float, Field(gt=0)] | None
    gate: bool
    format: Literal["table", "json", "csv"]
    track: bool

    def execute(self, lab: Lab) -> None:
        if self.gate and lab.rules is None:
            raise ConfigError("task.gate: there are no rules to decide by; add rules=success, or another")
        report, text, paths = self.compare(lab)
        self._print(text, report)
        if self.track:
            lab.tracker.check()
            with lab.tracker.session(card_of(lab.group), lab.outputs) as session:
                publish(report, session)
        if self.format == "table":
            print(*paths, sep="\n")
        if self.gate and (lines := refused(lab.rules, report.decisions)):
            raise LabError("gate: " + "; ".join(lines))

    def compare(self, lab: Lab) -> tuple[Report, str, list[Path]]:
        """The comparison, its JSON, and the files that it was written to; the store knows it then."""
        report = self._report(lab)
        settings = asdict(self)
        settings |= {"terms": settings.pop("ranking"), "rules": None if lab.rules is None else describe(lab.rules)}
        text = json_of(report, settings, here())
        paths = write(report, text, lab.outputs / "reports" / lab.group)
        lab.store.index_report(paths[0])
        return report, text, paths

    def _report(self, lab: Lab) -> Report:
        members = lab.store.members(lab.group)
        arms, bases = contenders(members)
        if not arms:
            return self._of_bases(lab, members)
        primary = self.primary or (lab.rules.primary if lab.rules else ())
        asked = Questions(lab.store, [*bases, *arms], frozenset(primary))
        pairs, left_out = self._pairs(arms, bases)
        questions, missing = asked.ask(pairs)
        self._check_primary(questions, primary)
        found = self._compared(questions)
        effects, more = self._effects(arms, asked)
        used = {run for arm in arms for run in arm.runs}
        runs = {row.key: row for row in lab.store.runs(lab.group) if row.key in used}
        standing = standings(asked, [*bases, *arms], {key: row.report for key, row in runs.items()})
        quality = self.quality or next(iter(primary), None)
        return Report(
            group=lab.group,
            arms=tuple(Arm(label=one.label, runs=one.runs) for one in [*bases, *arms]),
            differences=tuple(found),
            tallies=tuple(tallies(questions)),
            ranking=tuple(ranking(standing, self.ranking)),
            fronts=tuple(fronts(standing, quality)) if quality else (),
            strengths=tuple(strengths(lab.store, [*bases, *arms], confidence=self.confidence)),
            trainings=tuple(compare_trainings(lab.store, arms, runs, self.target_loss)) if runs else (),
            knobs=tuple(effects),
            decisions=tuple(self._decisions(lab, members, found, standing)),
            left_out=(*left_out, *missing, *more, *unfinished(lab)),
        )

    def _of_bases(self, lab: Lab, members: Sequence[Any]) -> Report:
        """What can be said before anything is trained: what the rules make of the bases alone."""
        bases = bases_alone(members, lab.store)
        if not bases or lab.rules is None:
            raise LabError(f"group {lab.group} has no trained member yet; run task=run group={lab.group} first")
        standing = standings(Questions(lab.store, bases, frozenset()), bases, {})
        decisions = tuple(self._decisions(lab, members, [], standing))
        if not decisions:
            known = ", ".join(dict.fromkeys(name for one in standing for name in one.metrics))
            raise LabError(f"the rules say nothing of bases alone by {', '.join(lab.rules.primary)}; scored: {known}")
        return Report(group=lab.group, decisions=decisions, left_out=tuple(unfinished(lab)))

    def _compared(self, questions: list[Question]) -> list[Difference]:
        return compare_many(questions, confidence=self.confidence, resamples=self.resamples, seed=self.seed)

    def _effects(self, arms: list[Contender], asked: Questions) -> tuple[list[Effect], list[str]]:
        """The effect of every swept knob; what is missing for one is missing for the arms too, and said there."""
        found, left_out = knobs(arms)
        questions = [(knob.path, one) for knob in found for one in asked.ask([(knob.reference, knob.candidate)])[0]]
        differences = self._compared([question for _, question in questions])
        ready = zip(questions, differences, strict=True)
        return [Effect(path=path, difference=one) for (path, _), one in ready], left_out

    @staticmethod
    def _decisions(
        lab: Lab, members: Sequence[Any], found: Sequence[Difference], standing: Sequence[Standing]
    ) -> list[Decided]:
        if lab.rules is None:
            return []
        declaration = declared(lab.outputs, lab.group, lab.rules, result_times(lab.store, members))
        return decide_all(lab.rules, found, standing, declaration)

    def _pairs(
        self, arms: list[Contender], bases: list[Contender]
    ) -> tuple[list[tuple[Contender, Contender]], list[str]]:
        """Who is compared with whom: every arm with its base, and the arms of one base with one another."""
        labels = [arm.label for arm in arms]
        if self.reference is not None and self.reference not in labels:
            raise ConfigError(f"task.reference: no arm {self.reference!r} in the group; it has {', '.join(labels)}")
        pairs = [(base, arm) for base in bases for arm in arms if arm.base == base.base]
        left_out = []
        for base in bases:
            own = [arm for arm in arms if arm.base == base.base]
            named = [arm for arm in own if arm.label == self.reference]
            if self.reference is not None:
                pairs += [(one, arm) for one in named for arm in own if arm is not one]
            elif len(own) <= MOST_ARMS:
                pairs += list(combinations(own, 2))
            else:
                left_out.append(f"{len(own)} arms with one another; task.reference=<label> compares them with one")
        return pairs, left_out

    @staticmethod
    def _check_primary(questions: list[Question], primary: Sequence[str]) -> None:
        known = dict.fromkeys(f"{question.evaluator}/{question.name}" for question in questions)
        unknown = [name for name in primary if name not in known]
        if unknown:
            told = f"nothing is scored as {', '.join(unknown)}; known: {', '.join(known)}"
            raise ConfigError(f"task.primary, or that of the rules: {told}")

    def _print(self, text: str, report: Report) -> None:
        if self.format != "table":
            print(text if self.format == "json" else csv_of(report.differences), end="")
            return
        console = Console(highlight=False)
        pairs: dict[tuple[str, str], list[Difference]] = defaultdict(list)
        for difference in report.differences:
            pairs[difference.reference_label, difference.candidate_label].append(difference)
        for rows in list(pairs.values())[:MOST_SHOWN]:
            console.print(difference_table(rows))
            for line in [*shared_caveats(rows), *([tally] if (tally := tally_line(report, rows)) else [])]:
                console.print(Padding(Text(line), (0, 0, 0, 2)))  # the lines that follow are set in as well
        if len(pairs) > MOST_SHOWN:
            console.print(f"and {len(pairs) - MOST_SHOWN} pairs more, in the files")
        for section in sections(report):
            console.print(section, markup=False)
        for table in overviews(report.differences):
            console.print(table)
        console.print()
        for line in [*method_lines(report.differences), *(f"left out: {printable(one)}" for one in report.left_out)]:
            console.print(line, markup=False)
