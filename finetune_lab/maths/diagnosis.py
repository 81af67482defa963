"""Rules of thumb over one run's curves and scores: each gives its value beside its limit, or why it cannot be told.

Losses are nats per target token. A curve is a list of (step, value) in the order of steps; nan is not finite.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from statistics import fmean, median, pstdev
from typing import Annotated, Any, Literal

from pydantic import Field

from finetune_lab.plugin import plugin

Curve = Sequence[tuple[int, float]]
Positive = Annotated[float, Field(gt=0)]
TRAINING, VALIDATION, GRADIENT = "train/loss", "validation/loss", "train/gradient_norm"
SYMPTOMS = (
    "learning_rate_too_high", "overfitting", "possible_forgetting", "stopped_at_first_evaluation", "underfitting",
    "never_converged", "end_token_not_learned", "style_drift", "plateau", "insufficient_improvement",
)  # fmt: skip


@plugin
class Limits:
    """Where a value becomes a symptom; see conf/task/diagnose.yaml for the meaning and unit of each."""

    recent: Annotated[int, Field(ge=1)]
    gap: Positive
    high_loss: Positive
    low_loss: Positive
    loss_rise: Positive
    gradient_spike: Positive
    plateau_window: Annotated[int, Field(ge=2)]
    plateau: Positive
    last_gain: Annotated[float, Field(ge=0)]
    diversity: Positive
    stop_rate: Positive
    improvement: Positive


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One score of a run beside its base's under the same measure; None is unscored."""

    value: float | None
    base: float | None
    higher_is_better: bool


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one run. `report` may be empty. The three lists of scores go by `evaluator/score`."""

    curves: Mapping[str, Curve]
    report: Mapping[str, Any]
    diversity: Mapping[str, Scored]
    stops: Mapping[str, Scored]
    improved: Mapping[str, Scored]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check. `found`: whether it shows the symptom; None where it could not be told, for the reason in `note`."""

    symptom: str
    check: str
    value: float | None
    limit: float
    side: Literal["above", "below"]  # of the limit, where the symptom is
    found: bool | None
    note: str = ""


def diagnose(evidence: Evidence, limits: Limits) -> list[Finding]:
    """Every check, in the order of SYMPTOMS; all are listed, also those that find nothing or cannot be told."""
    checks: dict[str, Callable[[Evidence, Limits], list[Finding]]] = {
        "learning_rate_too_high": _too_fast,
        "overfitting": _overfitting,
        "possible_forgetting": _forgetting,
        "stopped_at_first_evaluation": _stopped_at_first,
        "underfitting": _underfitting,
        "never_converged": _never_converged,
        "end_token_not_learned": _stops,
        "style_drift": _drift,
        "plateau": _plateau,
        "insufficient_improvement": _improvement,
    }
    return [finding for symptom in SYMPTOMS for finding in checks[symptom](evidence, limits)]


def improvement(score: Scored) -> float | None:
    """By what share of the base's score it became better (worse: below 0); infinite from a base of 0."""
    if score.value is None or score.base is None:
        return None
    change = score.value - score.base if score.higher_is_better else score.base - score.value
    if change == 0:
        return 0.0
    return change / abs(score.base) if score.base else inf if change > 0 else -inf


def _above(symptom: str, check: str, value: float | None, limit: float, note: str = "") -> Finding:
    found = None if value is None else value > limit
    return Finding(symptom=symptom, check=check, value=value, limit=limit, side="above", found=found, note=note)


def _below(symptom: str, check: str, value: float | None, limit: float, note: str = "") -> Finding:
    found = None if value is None else value < limit
    return Finding(symptom=symptom, check=check, value=value, limit=limit, side="below", found=found, note=note)


def _finite(evidence: Evidence, name: str) -> list[tuple[int, float]]:
    return [(step, value) for step, value in evidence.curves.get(name, ()) if isfinite(value)]


def _training_loss(evidence: Evidence, limits: Limits) -> tuple[float | None, str]:
    """The mean of the last logged losses, and where it comes from or why there is none."""
    logged = evidence.curves.get(TRAINING, ())
    tail = [value for _, value in logged[-limits.recent :]]
    if tail and all(map(isfinite, tail)):
        return fmean(tail), f"mean of the last {len(tail)} logged"
    if tail:
        return None, "the last training losses are not finite"
    known = evidence.report.get("final_training_loss")
    return known, "from the report" if known is not None else "no training loss was logged"


def _too_fast(evidence: Evidence, limits: Limits) -> list[Finding]:
    symptom, names = "learning_rate_too_high", (TRAINING, VALIDATION, GRADIENT)
    logged = [value for name in names for _, value in evidence.curves.get(name, ())]
    lost = float(sum(not isfinite(value) for value in logged)) if logged else None
    return [
        _above(symptom, "logged numbers not finite", lost, 0, "" if logged else "no curve was logged"),
        _rise(_finite(evidence, TRAINING), limits),
        _spike(_finite(evidence, GRADIENT), limits),
    ]


def _rise(losses: Curve, limits: Limits) -> Finding:
    num, values = limits.recent, [value for _, value in losses]
    means = [fmean(values[end - num : end]) for end in range(num, len(values) + 1)]
    rise = means[-1] - min(means) if len(means) > 1 else None
    note = f"means of {num} logged" if means[1:] else f"{len(values)} training losses logged, {num + 1} needed"
    return _above("learning_rate_too_high", "training loss − its lowest", rise, limits.loss_rise, note)


def _spike(norms: Curve, limits: Limits) -> Finding:
    """The largest ratio of a norm to the median of all before it, of which there must be enough to mean something."""
    num, values = limits.recent, [value for _, value in norms]
    ratios = [(values[at] / usual, norms[at][0]) for at in range(num, len(values)) if (usual := median(values[:at]))]
    worst, step = max(ratios, default=(None, 0))
    note = f"{len(values)} gradient norms logged, {num + 1} needed" if worst is None else f"at step {step}"
    return _above("learning_rate_too_high", "gradient norm / median before", worst, limits.gradient_spike, note)


def _overfitting(evidence: Evidence, limits: Limits) -> list[Finding]:
    training, origin = _training_loss(evidence, limits)
    validation = evidence.curves.get(VALIDATION, ())
    last = validation[-1][1] if validation else None
    known = training is not None and last is not None and isfinite(last)
    gap = last - training if known and last is not None and training is not None else None
    why = "no validation loss was logged" if last is None else "the last validation loss is not finite"
    note = f"{last:.3g} − {training:.3g}" if known else origin if training is None else why
    return [_above("overfitting", "validation − training loss", gap, limits.gap, note)]


def _forgetting(evidence: Evidence, limits: Limits) -> list[Finding]:
    loss, note = _training_loss(evidence, limits)
    return [_below("possible_forgetting", "training loss", loss, limits.low_loss, note)]


def _underfitting(evidence: Evidence, limits: Limits) -> list[Finding]:
    loss, note = _training_loss(evidence, limits)
    return [_above("underfitting", "training loss", loss, limits.high_loss, note)]


def _stopped_at_first(evidence: Evidence, _limits: Limits) -> list[Finding]:
    symptom, check = "stopped_at_first_evaluation", "evaluations better than the first"
    losses = _finite(evidence, VALIDATION)
    stopped = evidence.report.get("stopped")
    if stopped is None or not losses:
        why = "no validation loss was logged" if stopped else "the training has no report yet"
        return [_below(symptom, check, None, 1, why)]
    better = float(sum(value < losses[0][1] for _, value in losses))
    if stopped == "early":
        return [_below(symptom, check, better, 1, f"stopped early at step {losses[-1][0]}")]
    return [replace(_below(symptom, check, better, 1, "not stopped early"), found=False)]


def _never_converged(evidence: Evidence, limits: Limits) -> list[Finding]:
    """How much the last evaluation is better than all before it, where the training went on to its last step."""
    symptom, check = "never_converged", "gain of the last evaluation"
    losses, stopped = _finite(evidence, VALIDATION), evidence.report.get("stopped")
    if stopped is None or len(losses) < 2:
        why = "the training has no report yet" if stopped is None else f"{len(losses)} evaluations, 2 needed"
        return [_above(symptom, check, None, limits.last_gain, why)]
    gain = min(value for _, value in losses[:-1]) - losses[-1][1]
    best, last = min(losses, key=lambda point: point[1])[0], evidence.report.get("num_steps", losses[-1][0])
    return [_above(symptom, check, gain, limits.last_gain, f"best at step {best} of {last}")]


def _plateau(evidence: Evidence, limits: Limits) -> list[Finding]:
    symptom, check, num = "plateau", f"deviation, last {limits.plateau_window} validations", limits.plateau_window
    losses = [value for _, value in _finite(evidence, VALIDATION)]
    if len(losses) < num:
        note = f"{len(losses)} finite validation losses, {num} needed (method.evaluate_every)"
        return [_below(symptom, check, None, limits.plateau, note)]
    return [_below(symptom, check, pstdev(losses[-num:]), limits.plateau)]


def _stops(evidence: Evidence, limits: Limits) -> list[Finding]:
    symptom = "end_token_not_learned"
    return _shares(symptom, evidence.stops, limits.stop_rate, "answers that end by themselves")


def _drift(evidence: Evidence, limits: Limits) -> list[Finding]:
    return _shares("style_drift", evidence.diversity, limits.diversity, "diversity of the answers")


def _shares(symptom: str, scores: Mapping[str, Scored], limit: float, what: str) -> list[Finding]:
    if not scores:
        return [_below(symptom, what, None, limit, "no evaluation of this run has such a score")]
    return [_below(symptom, name, one.value, limit, _beside(one)) for name, one in scores.items()]


def _improvement(evidence: Evidence, limits: Limits) -> list[Finding]:
    symptom, limit = "insufficient_improvement", limits.improvement
    if not evidence.improved:
        why = "no evaluation of this run has a score to compare"
        return [_below(symptom, "improvement over the base", None, limit, why)]
    return [
        _below(symptom, f"{name}, gain over base", improvement(one), limit, _beside(one))
        for name, one in evidence.improved.items()
    ]


def _beside(score: Scored) -> str:
    if score.value is None:
        return "nothing could be scored"
    return "the base was not scored under the same measure" if score.base is None else f"base {score.base:.3g}"
