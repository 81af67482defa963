"""Tasks of lm-evaluation-harness, on the model as it is loaded here, with every document's figures kept."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import NonNegativeInt, PositiveInt

from finetune_lab.errors import ConfigError
from finetune_lab.inference.harness import Figure, Findings, check_harness, run_harness
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Subject
from finetune_lab.records import Evaluation, Sample, Score, Statistic

Columns = dict[str, list[float | None]]


@plugin
class LmEval:
    """`rows` are documents of the same tasks (data/harness.py). A score is `<task>/<metric>`, as the harness tells it.

    `num_fewshot` null leaves each task its own number; `seed` chooses the examples. `batch_rows` changes no number.
    """

    counts_tokens: ClassVar[bool] = True
    rows: RowChoice
    tasks: tuple[str, ...]
    folder: Path | None
    num_fewshot: NonNegativeInt | None
    chat: bool
    seed: int
    batch_rows: PositiveInt

    def identity(self) -> dict[str, Any]:
        """What is asked and how; the files of one's own are in the rows' source."""
        source = self.rows.data
        return {"source": source, "num_fewshot": self.num_fewshot, "chat": self.chat, "seed": self.seed}

    def check(self) -> None:
        """Raise WorldError when the package is missing, ConfigError for no task."""
        check_harness()
        if not self.tasks:
            raise ConfigError("eval.lm_eval.tasks: name at least one, as in eval.lm_eval.tasks=[arc_easy]")

    def evaluate(self, subject: Subject) -> Evaluation:
        """Run the tasks on the rows; a metric that is no mean or ratio of documents stands in the counts alone."""
        self.check()
        places = {(str(row.facts["task"]), int(row.facts["number"])): row for row in subject.rows}
        numbers: dict[str, list[int]] = {}
        for task, number in places:
            numbers.setdefault(task, []).append(number)
        found = run_harness(
            subject.model(),
            # a part of a group's documents gives no figure of the group
            tasks=self.tasks if self.rows.max_rows is None else list(numbers),
            folder=self.folder,
            numbers=numbers,
            num_fewshot=self.num_fewshot,
            chat=self.chat,
            seed=self.seed,
            batch_rows=self.batch_rows,
        )
        return self._evaluation(subject.rows, list(places), found)

    def _evaluation(self, rows: Sequence[Sample], places: list[tuple[str, int]], found: Findings) -> Evaluation:
        columns: Columns = {}
        scores, others = [], {}
        for figure in found.figures:
            name = f"{figure.task}/{figure.name}"
            statistic = _statistic(figure, name)
            if statistic is None:
                others[name] = figure.value
                continue
            columns |= _columns(figure, places, statistic)
            scores.append(
                Score(name=name, value=figure.value, higher_is_better=figure.higher_is_better, statistic=statistic)
            )
        return Evaluation(
            samples=tuple(row.id for row in rows),
            clusters=tuple(row.group for row in rows),
            columns=columns,
            scores=tuple(scores),
            details=tuple({"sample": row.id, **found.details[place]} for row, place in zip(rows, places, strict=True)),
            counts={
                "rows": len(rows),
                "not_compared": others,
                "groups": _plain(found.groups),
                "versions": found.versions,
            },
        )


def _plain(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    return {
        name: {key: value for key, value in found.items() if isinstance(value, int | float)}
        for name, found in groups.items()
    }


def _statistic(figure: Figure, name: str) -> Statistic | None:
    """The statistic that gives the harness' value again from its documents; None where none of ours does."""
    if figure.value is None or not figure.of:
        return None
    for statistic, value in _candidates(list(figure.of.values()), name):
        if math.isclose(value, figure.value, rel_tol=1e-6, abs_tol=1e-9):
            return statistic
    return None


def _candidates(values: list[Any], name: str) -> Iterator[tuple[Statistic, float]]:
    """Means; perplexities of documents (exp of minus the mean); ratios of (log-likelihood, weight) and their bits."""
    if all(isinstance(value, int | float) for value in values):
        mean = sum(values) / len(values)
        yield Statistic(kind="mean", of=name), mean
        if mean > -700:
            yield Statistic(kind="mean", of=f"{name} minus", transform="exp"), math.exp(-mean)
    elif all(isinstance(value, tuple | list) and len(value) == 2 for value in values):
        weight = sum(value[1] for value in values)
        ratio = -sum(value[0] for value in values) / weight if weight else math.inf
        if ratio < 700:
            yield Statistic(kind="ratio", of=f"{name} minus", per=f"{name} weight", transform="exp"), math.exp(ratio)
        yield (
            Statistic(kind="ratio", of=f"{name} minus", per=f"{name} weight", scale=1 / math.log(2)),
            ratio / math.log(2),
        )


def _columns(figure: Figure, places: list[tuple[str, int]], statistic: Statistic) -> Columns:
    """What the statistic reads, in the order of the rows; None for documents of other tasks."""
    found = [figure.of.get(number) if task == figure.task else None for task, number in places]
    if statistic.per:
        return {
            statistic.of: [None if value is None else -float(value[0]) for value in found],
            statistic.per: [None if value is None else float(value[1]) for value in found],
        }
    sign = -1.0 if statistic.transform == "exp" else 1.0
    return {statistic.of: [None if value is None else sign * float(value) for value in found]}
