"""What each arm's trainings took, and how soon they reached a validation loss that all can be asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from finetune_lab.comparison.contenders import Contender
from finetune_lab.comparison.standing import mean
from finetune_lab.maths.intervals import t_interval

LOSS = "validation/loss"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The trainings of one arm: means over its seeds; None where a seed does not tell.

    `loss_low`, `loss_high`, `loss_deviation`: how the best validation loss differs from seed to seed (Student
    interval of the mean; None for one seed). `target_loss` is the same for all arms; `num_reached` of the seeds got
    there, and `steps_to_target`, `tokens_to_target`, `seconds_to_target` are means over these alone; tokens are the
    input tokens of the training report.
    """

    label: str
    num_seeds: int
    best_validation_loss: float | None
    loss_low: float | None
    loss_high: float | None
    loss_deviation: float | None
    target_loss: float | None
    num_reached: int
    steps_to_target: float | None
    tokens_to_target: float | None
    seconds_to_target: float | None
    wall_seconds: float | None
    tokens_per_second: float | None
    peak_bytes: float | None
    adapter_bytes: float | None
    num_trainable_parameters: float | None


@dataclass(frozen=True, kw_only=True)
class _Curve:
    """The validation loss of one run: (step, loss, seconds since 1970)."""

    points: tuple[tuple[int, float, float], ...]
    started: float | None
    report: Mapping[str, Any]


def compare_trainings(
    store: Any, arms: Sequence[Contender], runs: Mapping[str, Any], target: float | None
) -> list[Trained]:
    """One record an arm. Without a `target`, it is the lowest loss that every run reached."""
    curves = {run: _curve(store, runs[run]) for arm in arms for run in arm.runs if run in runs}
    best = [min((loss for _, loss, _ in curve.points if loss == loss), default=None) for curve in curves.values()]
    known = [loss for loss in best if loss is not None]
    if target is None and known:
        target = max(known)
    return [_trained(arm, [curves[run] for run in arm.runs if run in curves], target) for arm in arms]


def _curve(store: Any, row: Any) -> _Curve:
    started = datetime.fromisoformat(row.started).timestamp() if row.started else None
    return _Curve(points=tuple(store.timed_curve(row.key, LOSS)), started=started, report=row.report)


def _trained(arm: Contender, curves: Sequence[_Curve], target: float | None) -> Trained:
    reports = [curve.report for curve in curves]
    reached = [found for curve in curves if target is not None and (found := _reached(curve, target)) is not None]
    losses = np.array([value for r in reports if (value := r.get("best_validation_loss")) is not None], dtype=float)
    spread = t_interval(losses)
    several = len(losses) > 1
    rates = [_rate(report) for report in reports]
    costs = ("wall_seconds", "peak_bytes", "adapter_bytes", "num_trainable_parameters")
    return Trained(
        label=arm.label,
        num_seeds=len(curves),
        best_validation_loss=float(losses.mean()) if len(losses) else None,
        loss_low=spread.low if several else None,
        loss_high=spread.high if several else None,
        loss_deviation=float(losses.std(ddof=1)) if several else None,
        target_loss=target,
        num_reached=len(reached),
        steps_to_target=mean([float(step) for step, _, _ in reached]),
        tokens_to_target=mean([tokens for _, tokens, _ in reached]),
        seconds_to_target=mean([seconds for _, _, seconds in reached]),
        tokens_per_second=mean(rates),
        **{name: mean([report.get(name) for report in reports]) for name in costs},
    )


def _reached(curve: _Curve, target: float) -> tuple[int, float | None, float | None] | None:
    """The first step at or under the target, and the tokens and seconds until then.

    The seconds are those of the clock for a run in one piece; those of one that was resumed, whose clock also ran
    while nothing did, are the step's share of its wall seconds.
    """
    for step, loss, time in curve.points:
        if loss <= target:
            tokens, seconds = (_share(curve.report, name, step) for name in ("num_input_tokens", "wall_seconds"))
            if curve.report.get("num_segments") == 1 and curve.started is not None:
                seconds = max(time - curve.started, 0.0)
            return step, tokens, seconds
    return None


def _share(report: Mapping[str, Any], name: str, step: int) -> float | None:
    """What a run had used of something when it was at `step`; every step takes alike."""
    whole, num_steps = report.get(name), report.get("num_steps")
    return whole * step / num_steps if whole is not None and num_steps else None


def _rate(report: Mapping[str, Any]) -> float | None:
    tokens, seconds = report.get("num_input_tokens"), report.get("wall_seconds")
    return tokens / seconds if tokens is not None and seconds else None
