"""What the study of GRIT found: its notes as tables of numbers. Nothing is chosen here by what the test rows say.

Two intervals stand beside each difference to a reference arm, both at 95 %: Student's over the pairs of equal seeds
(same rows, order, dropout and first weights; the test rows taken as given), and that of `finetune_lab.maths.compare`
over seeds and test rows as two sources of noise. A difference counts where both leave out zero; else it is parity.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np

from finetune_lab.maths.compare import Arm, Question, SampleColumns, compare_many
from finetune_lab.maths.intervals import t_interval
from finetune_lab.records import Statistic

NATS_PER_TOKEN = Statistic(kind="ratio", of="nats", per="tokens")
Note = dict[str, Any]


def read_notes(outputs: Path) -> list[Note]:
    """The notes of all finished runs, the oldest first; of two of the same run the newer."""
    found = [json.loads(path.read_text()) for path in sorted(outputs.glob("runs/*/done.json"))]
    found.sort(key=lambda note: note["made"]["time"])
    return list({tuple(note["run"].items()): note for note in found}.values())


def pick(notes: Sequence[Note], **wanted: Any) -> list[Note]:
    """The notes whose run has these fields."""
    return [note for note in notes if all(note["run"][name] == value for name, value in wanted.items())]


def by_seed(notes: Sequence[Note]) -> dict[int, Note]:
    """Notes of one arm by their seed, in order."""
    return {note["run"]["seed"]: note for note in sorted(notes, key=lambda note: note["run"]["seed"])}


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Candidate minus reference in nats per token, over the seeds that both have."""

    num_seeds: int
    mean: float
    low: float
    high: float
    low_with_items: float | None
    high_with_items: float | None
    p_adjusted: float | None

    @property
    def word(self) -> str:
        """lower, higher, or parity where an interval holds zero."""
        lows, highs = (self.low, self.low_with_items), (self.high, self.high_with_items)
        if all(high is not None and high < 0 for high in highs):
            return "lower"
        return "higher" if all(low is not None and low > 0 for low in lows) else "parity"


def gaps(finals: dict[str, list[Note]], reference: str, part: str = "test") -> dict[str, Gap]:
    """The gap of every arm of one task to `reference`; arms with fewer than two common finite seeds are left out."""
    base, questions, pairs = by_seed(finals[reference]), [], {}
    for arm, notes in finals.items():
        own = by_seed(notes)
        seeds = [s for s in own if s in base and None not in (own[s]["loss"][part], base[s]["loss"][part])]
        if arm == reference or len(seeds) < 2:
            continue
        pairs[arm] = np.array([own[seed]["loss"][part] - base[seed]["loss"][part] for seed in seeds])
        sides = [_side(name, [kept[seed] for seed in seeds], part) for name, kept in ((reference, base), (arm, own))]
        question = Question(
            name=arm, statistic=NATS_PER_TOKEN, higher_is_better=False, reference=sides[0], candidate=sides[1]
        )
        questions.append(question)
    found = dict(zip(pairs, compare_many(questions, resamples=999) if questions else [], strict=True))
    return {arm: _gap(values, found[arm]) for arm, values in pairs.items()}


def _side(label: str, notes: list[Note], part: str) -> Arm:
    kept = (note["scored"][part] for note in notes)
    columns = [SampleColumns.of(k["samples"], [], {"nats": k["nats"], "tokens": k["tokens"]}) for k in kept]
    return Arm(label=label, seeds=tuple(columns))


def _gap(values: Any, found: Any) -> Gap:
    interval = t_interval(values)
    return Gap(
        num_seeds=len(values),
        mean=float(values.mean()),
        low=interval.low,
        high=interval.high,
        low_with_items=found.low,
        high_with_items=found.high,
        p_adjusted=found.p_adjusted,
    )


def mean_and_deviation(notes: Sequence[Note], part: str = "test") -> tuple[float | None, float | None]:
    """Over the seeds; None where a run is not finite."""
    losses = [note["loss"][part] for note in notes]
    if not losses or None in losses:
        return None, None
    return mean(losses), stdev(losses) if len(losses) > 1 else None


def time_ratio(notes: Sequence[Note], reference: Sequence[Note]) -> float | None:
    """Processor time of a step over the reference's: the median over pairs of equal seed, which ran near each other."""
    base, own = by_seed(reference), by_seed(notes)
    ratios = [
        (own[seed]["processor_seconds"] / own[seed]["steps"]) / (base[seed]["processor_seconds"] / base[seed]["steps"])
        for seed in own
        if seed in base
    ]
    return median(ratios) if ratios else None


def mean_curve(notes: Sequence[Note]) -> list[tuple[int, float]]:
    """Validation loss along the training, the mean over seeds."""
    curves = [dict(map(tuple, note["curve"])) for note in notes if note["curve"]]
    steps = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    return [(int(step), mean(curve[step] for curve in curves)) for step in steps]


def reached(curve: Sequence[Sequence[float]], target: float) -> float | None:
    """The step at which a loss curve first comes down to `target`, linear between its points; None if it does not."""
    before: Sequence[float] | None = None
    for step, loss in curve:
        if loss <= target:
            if before is None or before[1] <= loss:
                return step
            return before[0] + (step - before[0]) * (before[1] - target) / (before[1] - loss)
        before = (step, loss)
    return None


def forgetting(notes: Sequence[Note], reference: Sequence[Note]) -> tuple[float, float, float] | None:
    """Loss on base text where the reference's last validation loss is reached, minus the reference's last there: the
    mean over seeds and its interval; None where fewer than two seeds reach it.
    """
    base, own, differences = by_seed(reference), by_seed(notes), []
    for seed in own:
        step = reached(own[seed]["curve"], base[seed]["curve"][-1][1]) if seed in base else None
        if step is not None:
            steps, losses = zip(*own[seed]["base_curve"], strict=True)
            differences.append(float(np.interp(step, steps, losses)) - base[seed]["base_curve"][-1][1])
    if len(differences) < 2:
        return None
    interval = t_interval(np.array(differences))
    return mean(differences), interval.low, interval.high


def steps_to_reference(notes: Sequence[Note], reference: Sequence[Note]) -> tuple[float | None, int]:
    """The median step at which an arm reaches the reference's last validation loss of the same seed; of how many."""
    base, own = by_seed(reference), by_seed(notes)
    found = [reached(own[seed]["curve"], base[seed]["curve"][-1][1]) for seed in own if seed in base]
    got = [step for step in found if step is not None]
    return (median(got) if len(got) * 2 > len(found) else None), len(got)


def at_equal_time(notes: Sequence[Note], reference: Sequence[Note]) -> tuple[float, float, float] | None:
    """Validation loss at the step that fits in the reference's time, minus the reference's last: mean and interval.

    The arm's schedule has not ended there, so that this is an upper bound of what it would reach with one that does.
    """
    ratio, base, own = time_ratio(notes, reference), by_seed(reference), by_seed(notes)
    seeds = [seed for seed in own if seed in base]
    if ratio is None or len(seeds) < 2:
        return None
    differences = []
    for seed in seeds:
        steps, losses = zip(*own[seed]["curve"], strict=True)
        differences.append(np.interp(own[seed]["steps"] / max(ratio, 1.0), steps, losses) - base[seed]["curve"][-1][1])
    interval = t_interval(np.array(differences))
    return mean(differences), interval.low, interval.high
