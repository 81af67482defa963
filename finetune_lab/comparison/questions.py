"""What can be asked about pairs of contenders: scores under one measure key, with the columns that they come from."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from finetune_lab.comparison.contenders import Contender
from finetune_lab.maths.compare import Arm, Question
from finetune_lab.maths.pairing import no_difference


class Questions:
    """What can be asked of the store about pairs of contenders. Every column is read once."""

    def __init__(self, store: Any, all_contenders: Sequence[Contender], primary: frozenset[str]) -> None:
        self._primary = primary
        self._columns = cache(store.columns)
        self._scored: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)  # subject, measure -> name -> score
        for score in store.scores([run for one in all_contenders for run in one.runs]):
            self._scored[score.subject, score.measure][score.name] = score

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

    def scores(self, run: str, measure: str) -> dict[str, Any]:
        """The scores of a run under a measure, by name."""
        return self._scored.get((run, measure), {})

    def _of(self, reference: Contender, candidate: Contender, evaluator: str) -> tuple[list[Question], list[str]]:
        if self._is_contrast(reference, evaluator) or self._is_contrast(candidate, evaluator):
            return self._contrasted(reference, candidate, evaluator), []
        one, other = (self.by_measure(side, evaluator) for side in (reference, candidate))
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
        names = dict.fromkeys(name for _, runs in arms for run in runs for name in self._scored[run, measure])
        whole = [name for name in names if self._is_whole(measure, name, arms)]
        left_out = [line for side, runs in arms for line in _left_seeds(side, evaluator, runs)]
        left_out += [
            f"{evaluator}/{name}: not every run of {reference.label} and {candidate.label} has it sample by sample"
            for name in names
            if name not in whole
        ]
        return [self._question(evaluator, measure, name, arms) for name in whole], left_out

    def _is_contrast(self, side: Contender, evaluator: str) -> bool:
        measures = side.measures.get(evaluator, {}).items()
        return any(score.reference for key in measures for score in self._scored[key].values())

    def _contrasted(self, one: Contender, other: Contender, evaluator: str) -> list[Question]:
        """What a contrast found between the two, whichever of them it took for the reference."""
        questions = []
        for reference, candidate in ((one, other), (other, one)):
            for measure, runs in self.by_measure(candidate, evaluator).items():
                against = [run for run in runs if self._against(run, measure) in reference.runs]
                names = dict.fromkeys(name for run in against for name in self._scored[run, measure])
                sides = [(candidate, against)]
                whole = [name for name in names if self._is_whole(measure, name, sides)]
                questions += [
                    _set_against(self._question(evaluator, measure, name, sides), reference) for name in whole
                ]
        return questions

    def _against(self, run: str, measure: str) -> str | None:
        return next((score.reference for score in self._scored[run, measure].values()), None)

    def _is_whole(self, measure: str, name: str, arms: Sequence[tuple[Contender, list[str]]]) -> bool:
        """Whether every run has the score and the columns that it comes from."""
        for run in (run for _, runs in arms for run in runs):
            score = self._scored[run, measure].get(name)
            needed = {score.statistic.of, score.statistic.per} - {None} if score else set()
            if score is None or not needed <= self._columns(run, measure).columns.keys():
                return False
        return True

    def by_measure(self, side: Contender, evaluator: str) -> dict[str, list[str]]:
        """Measure -> the runs that were scored under it. A base is scored under any measure that its runs name."""
        found: dict[str, list[str]] = defaultdict(list)
        if side.trained:
            for run, measure in side.measures.get(evaluator, {}).items():
                if self._scored.get((run, measure)):
                    found[measure].append(run)
            return found
        for (subject, measure), scores in self._scored.items():
            if subject == side.base and any(score.evaluator == evaluator for score in scores.values()):
                found[measure].append(subject)
        return found

    def _question(
        self, evaluator: str, measure: str, name: str, arms: Sequence[tuple[Contender, list[str]]]
    ) -> Question:
        score = self._scored[arms[-1][1][0], measure][name]
        sides = [
            Arm(
                label=side.label,
                trained=side.trained,
                seeds=tuple(self._columns(run, measure) for run in runs),
                values=tuple(self._scored[run, measure][name].value for run in runs),
            )
            for side, runs in arms
        ]
        return Question(
            name=name,
            statistic=score.statistic,
            higher_is_better=score.higher_is_better,
            reference=sides[0],
            candidate=sides[-1],
            unit=score.unit,
            evaluator=evaluator,
            primary=f"{evaluator}/{name}" in self._primary,
        )


def _set_against(question: Question, reference: Contender) -> Question:
    return replace(question, reference=no_difference(question.candidate, question.statistic, reference.label))


def _left_seeds(side: Contender, evaluator: str, used: Sequence[str]) -> list[str]:
    """The runs of an arm that a comparison goes without."""
    lines = []
    for run in side.runs:
        if side.trained and run not in used:
            scored = run in side.measures.get(evaluator, {})
            why = "scored under another measure, or not at all" if scored else "not scored"
            lines.append(f"{side.label}, run {run}: {why} by {evaluator}")
    return lines
