"""Compare what a group's runs scored: with their base, and with one another."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from rich.console import Console

from finetune_lab.errors import ConfigError, LabError
from finetune_lab.lab import Lab
from finetune_lab.maths.compare import Arm, Difference, Question, compare_many
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.provenance import here
from finetune_lab.text.tables import csv_of, difference_table, method_lines, plain, printable, shared_caveats

IDENTITY = ("model", "data", "method")  # the parts of a config in which two arms can differ; the seed makes no arm
MOST_ARMS = 6  # of one base that are all compared with one another: 15 pairs


@dataclass(frozen=True, kw_only=True)
class Contender:
    """What stands on one side of a comparison: a base, or the runs of one config, which differ in their seed only."""

    label: str
    base: str
    runs: tuple[str, ...]
    trained: bool
    config: Mapping[str, str]  # dotted path -> value, of what makes the arm
    measures: Mapping[str, Mapping[str, str]]  # evaluator -> run -> measure


@plugin
class Compare:
    """`confidence` of the intervals, `resamples` of bootstrap and permutation, drawn from `seed`.

    `reference` is the label of the arm that the others are compared with. `primary` are the metrics
    (evaluator/metric) whose p-values Holm adjusts. `format` is what is printed; both files are written in any case.
    """

    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[int, Field(ge=99)]
    seed: Annotated[int, Field(ge=0)]
    reference: str | None
    primary: tuple[str, ...]
    format: Literal["table", "json", "csv"]

    def execute(self, lab: Lab) -> None:
        arms, bases = contenders(lab.store.members(lab.group))
        if not arms:
            raise LabError(f"group {lab.group} has no trained member yet; run task=run group={lab.group} first")
        pairs, left_out = self._pairs(arms, bases)
        questions, missing = Questions(lab.store, [*bases, *arms], frozenset(self.primary)).ask(pairs)
        self._check_primary(questions)
        found = compare_many(questions, confidence=self.confidence, resamples=self.resamples, seed=self.seed)
        left_out = [*left_out, *missing, *unfinished(lab)]
        text = self._json(lab.group, found, left_out)
        self._print(text, found, left_out)
        self._write(lab.outputs / "reports" / lab.group, text, found)

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

    def _check_primary(self, questions: list[Question]) -> None:
        known = dict.fromkeys(f"{question.evaluator}/{question.name}" for question in questions)
        unknown = [name for name in self.primary if name not in known]
        if unknown:
            raise ConfigError(f"task.primary: nothing is scored as {', '.join(unknown)}; known: {', '.join(known)}")

    def _print(self, text: str, found: list[Difference], left_out: list[str]) -> None:
        if self.format != "table":
            print(text if self.format == "json" else csv_of(found), end="")
            return
        console = Console(highlight=False)
        sections: dict[tuple[str, str], list[Difference]] = defaultdict(list)
        for difference in found:
            sections[difference.reference_label, difference.candidate_label].append(difference)
        for rows in sections.values():
            console.print(difference_table(rows))
            for line in shared_caveats(rows):
                console.print(f"  {line}", markup=False)
        console.print()
        for line in [*method_lines(found), *(f"left out: {printable(line)}" for line in left_out)]:
            console.print(line, markup=False)

    def _json(self, group: str, found: list[Difference], left_out: list[str]) -> str:
        report = {"group": group, **asdict(self), "left_out": left_out, "made": here()}
        return json.dumps(plain(report | {"differences": [asdict(one) for one in found]}), indent=2) + "\n"

    def _write(self, folder: Path, text: str, found: list[Difference]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (("comparison.json", text), ("comparison.csv", csv_of(found))):
            write_atomically(folder / name, content)
            if self.format == "table":
                print(folder / name)


class Questions:
    """What can be asked of the store about pairs of contenders. Every column is read once."""

    def __init__(self, store: Any, all_contenders: Sequence[Contender], primary: frozenset[str]) -> None:
        self._primary = primary
        self._columns = cache(store.columns)
        self._scores: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)  # subject, measure -> name -> score
        for score in store.scores([run for one in all_contenders for run in one.runs]):
            self._scores[score.subject, score.measure][score.name] = score

    def ask(self, pairs: Iterable[tuple[Contender, Contender]]) -> tuple[list[Question], list[str]]:
        """All questions about the pairs, and what was left out, with the reason."""
        questions: list[Question] = []
        left_out: dict[str, None] = {}  # in order, each once
        for reference, candidate in pairs:
            for evaluator in dict.fromkeys([*reference.measures, *candidate.measures]):
                found, missing = self._of(reference, candidate, evaluator)
                questions += found
                left_out |= dict.fromkeys(missing)
        return questions, list(left_out)

    def _of(self, reference: Contender, candidate: Contender, evaluator: str) -> tuple[list[Question], list[str]]:
        one, other = (self._by_measure(side, evaluator) for side in (reference, candidate))
        for side, found in ((reference, one), (candidate, other)):
            if not found:
                return [], [f"{side.label}: {evaluator} has not scored it"]
        common = [measure for measure in other if measure in one]
        if not common:
            keys = " and ".join(
                f"{side.label} under {', '.join(found)}" for side, found in ((reference, one), (candidate, other))
            )
            return [], [f"{evaluator}: other rows or settings, {keys}"]
        measure = max(common, key=lambda key: len(other[key]) + len(one[key]))
        arms = [(reference, one[measure]), (candidate, other[measure])]
        names = dict.fromkeys(name for _, runs in arms for run in runs for name in self._scores[run, measure])
        whole = [name for name in names if self._is_whole(measure, name, arms)]
        left_out = [line for side, runs in arms for line in _left_seeds(side, evaluator, runs)]
        left_out += [
            f"{evaluator}/{name}: not every run of {reference.label} and {candidate.label} has it sample by sample"
            for name in names
            if name not in whole
        ]
        return [self._question(evaluator, measure, name, arms) for name in whole], left_out

    def _is_whole(self, measure: str, name: str, arms: Sequence[tuple[Contender, list[str]]]) -> bool:
        """Whether every run has the score and the columns that it comes from."""
        for run in (run for _, runs in arms for run in runs):
            score = self._scores[run, measure].get(name)
            needed = {score.statistic.of, score.statistic.per} - {None} if score else set()
            if score is None or not needed <= self._columns(run, measure).columns.keys():
                return False
        return True

    def _by_measure(self, side: Contender, evaluator: str) -> dict[str, list[str]]:
        """Measure -> the runs that were scored under it. A base is scored under any measure that its runs name."""
        found: dict[str, list[str]] = defaultdict(list)
        if side.trained:
            for run, measure in side.measures.get(evaluator, {}).items():
                if self._scores.get((run, measure)):
                    found[measure].append(run)
            return found
        for (subject, measure), scores in self._scores.items():
            if subject == side.base and any(score.evaluator == evaluator for score in scores.values()):
                found[measure].append(subject)
        return found

    def _question(
        self, evaluator: str, measure: str, name: str, arms: Sequence[tuple[Contender, list[str]]]
    ) -> Question:
        score = self._scores[arms[1][1][0], measure][name]
        sides = [
            Arm(
                label=side.label,
                trained=side.trained,
                seeds=tuple(self._columns(run, measure) for run in runs),
                values=tuple(self._scores[run, measure][name].value for run in runs),
            )
            for side, runs in arms
        ]
        return Question(
            name=name,
            statistic=score.statistic,
            higher_is_better=score.higher_is_better,
            reference=sides[0],
            candidate=sides[1],
            unit=score.unit,
            evaluator=evaluator,
            primary=f"{evaluator}/{name}" in self._primary,
        )


def contenders(members: Sequence[Any]) -> tuple[list[Contender], list[Contender]]:
    """The arms of a group, each with all its seeds, and their bases; labels tell them apart."""
    grouped: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for member in members:
        if member.run != member.base:
            made = json.dumps(_identity(member.config), sort_keys=True, default=str)
            grouped[member.base, member.label, made].append(member)
    models = {members[0].base: members[0].model for members in grouped.values()}
    arms = _told_apart([_arm(runs, len(models) > 1) for runs in grouped.values()])
    names = dict.fromkeys(name for arm in arms for name in arm.measures)
    bases = [
        Contender(
            label=f"base {model}" if len(models) > 1 else "base",
            base=base,
            runs=(base,),
            trained=False,
            config={},
            measures={name: {} for name in names},
        )
        for base, model in models.items()
    ]
    return arms, bases


def _arm(members: Sequence[Any], with_model: bool) -> Contender:
    measures: dict[str, dict[str, str]] = defaultdict(dict)
    for member in members:
        for evaluator, measure in member.measures.items():
            measures[evaluator][member.run] = measure
    first = members[0]
    return Contender(
        label=f"{first.label} {first.model}" if with_model else first.label,
        base=first.base,
        runs=tuple(member.run for member in members),
        trained=True,
        config=dict(_leaves(_identity(first.config), "")),
        measures=measures,
    )


def _identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that makes the arm; of a config without these parts, all but the seed."""
    parts = {name: config[name] for name in IDENTITY if name in config}
    return parts or {name: value for name, value in config.items() if name != "seed"}


def _leaves(node: Any, path: str) -> Iterable[tuple[str, str]]:
    if not isinstance(node, Mapping):
        return [(path, str(node))]
    return [leaf for key, value in node.items() for leaf in _leaves(value, f"{path}.{key}" if path else str(key))]


def _told_apart(arms: Sequence[Contender]) -> list[Contender]:
    """The arms with the values in which those of one label differ added to it: `qlora learning_rate=0.001`."""
    ready = []
    for arm in arms:
        alike = [other for other in arms if other.label == arm.label]
        paths = dict.fromkeys(path for other in alike for path in other.config)
        differing = [path for path in paths if len({other.config.get(path) for other in alike}) > 1]
        added = [f"{path.rpartition('.')[2]}={arm.config.get(path, '–')}" for path in differing]
        ready.append(replace(arm, label=" ".join([arm.label, *added])))
    return ready


def _left_seeds(side: Contender, evaluator: str, used: Sequence[str]) -> list[str]:
    """The runs of an arm that a comparison goes without."""
    lines = []
    for run in side.runs:
        if side.trained and run not in used:
            scored = run in side.measures.get(evaluator, {})
            why = "scored under another measure, or not at all" if scored else "not scored"
            lines.append(f"{side.label}, run {run}: {why} by {evaluator}")
    return lines


def unfinished(lab: Lab) -> list[str]:
    """The group's runs that are no members, because they failed or go on."""
    members = {member.run for member in lab.store.members(lab.group)}
    return [
        f"{row.label}, run {row.key}: {row.status}" + (f" ({row.error})" if row.error else "")
        for row in lab.store.runs()
        if row.config.get("group") == lab.group and row.key not in members and row.status != "done"
    ]
