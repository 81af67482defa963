"""What each contender scored and cost, as plain numbers: the mean over its seeds, and which way is up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune_lab.comparison.contenders import Contender
from finetune_lab.comparison.questions import Questions

COSTS = ("wall_seconds", "peak_bytes", "adapter_bytes")
OTHERS = ("num_trainable_parameters", "best_validation_loss", "final_training_loss")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A mean over seeds, and its direction. None: some seed has no value."""

    value: float | None
    higher_is_better: bool


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One contender: `evaluator/metric` and `training/…` -> value."""

    label: str
    trained: bool
    metrics: Mapping[str, Metric]

    def values(self) -> dict[str, float | None]:
        return {name: metric.value for name, metric in self.metrics.items()}


def standings(questions: Questions, everyone: Sequence[Contender], reports: Mapping[str, Any]) -> list[Standing]:
    """All contenders; `reports` holds the training report of each run (run key -> field -> value)."""
    common = [measure for one in everyone for of in one.measures.values() for measure in of.values()]
    return [
        Standing(
            label=one.label,
            trained=one.trained,
            metrics=_scores(questions, one, set(common)) | (_training(one, reports) if one.trained else {}),
        )
        for one in everyone
    ]


def _scores(questions: Questions, one: Contender, common: set[str]) -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for evaluator in one.measures:
        by_measure = questions.by_measure(one, evaluator)
        if not by_measure:
            continue
        measure = max(by_measure, key=lambda key: (key in common, len(by_measure[key])))
        runs = by_measure[measure]
        for name, score in questions.scores(runs[0], measure).items():
            values = [getattr(questions.scores(run, measure).get(name), "value", None) for run in runs]
            found[f"{evaluator}/{name}"] = Metric(value=mean(values), higher_is_better=score.higher_is_better)
    return found


def _training(one: Contender, reports: Mapping[str, Any]) -> dict[str, Metric]:
    whole = [reports.get(run, {}) for run in one.runs]
    return {
        f"training/{name}": Metric(value=mean([report.get(name) for report in whole]), higher_is_better=False)
        for name in (*COSTS, *OTHERS)
        if any(name in report for report in whole)
    }


def mean(values: Sequence[float | None]) -> float | None:
    """The mean; None without values, or when one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
