"""What all voices together say of many pairs: win rates, positions, wordings, agreement. Plain values, for a note."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune_lab.inference.judging.pairs import Judged, Pair, position
from finetune_lab.inference.judging.panel import Voice
from finetune_lab.maths.agreement import Measured, kappa
from finetune_lab.maths.raters import krippendorff_alpha, table_of
from finetune_lab.maths.win_correction import WinCalibration, corrected_win_rate
from finetune_lab.maths.winrate import length_adjusted, win_rate

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Panelled:
    """Pairs with what every voice said of them. `clusters` number the prompts that belong together."""

    pairs: Sequence[Pair]
    clusters: Numbers
    by_voice: Mapping[Voice, Sequence[Judged]]

    def wins(self) -> list[float | None]:
        """For each pair the mean of the voices that gave a verdict; None where none did."""
        columns = zip(*([one.win for one in found] for found in self.by_voice.values()), strict=True)
        return [_mean([win for win in column if win is not None]) for column in columns]

    def reasons(self) -> list[str | None]:
        """For each pair without any verdict the first voice's reason."""
        first = zip(*self.by_voice.values(), strict=True)
        return [told[0].reason if all(one.win is None for one in told) else None for told in first]

    def lengths(self) -> tuple[Floats, Floats]:
        """Characters of the candidate's and of the reference's answers."""
        candidate = np.array([float(len(pair.candidate)) for pair in self.pairs])
        return candidate, np.array([float(len(pair.reference)) for pair in self.pairs])


def report(panelled: Panelled, calibration: WinCalibration | None, confidence: float) -> dict[str, Any]:
    """Raw, length-adjusted and corrected win rates, each voice's positions, what the wording did, and agreement."""
    wins, reasons = panelled.wins(), panelled.reasons()
    values = _array(wins)
    raw = win_rate(values + 1, clusters=panelled.clusters, confidence=confidence)
    even = length_adjusted(values + 1, *panelled.lengths(), clusters=panelled.clusters, confidence=confidence)
    counts: dict[str, Any] = {
        "pairs": len(wins),
        "same_text": sum(pair.alike for pair in panelled.pairs),
        "unscored": sum(win is None for win in wins),
        "reasons": dict(Counter(reason for reason in reasons if reason)),
        "wins": raw.num_wins,
        "losses": raw.num_losses,
        "ties": raw.num_draws,
        "win_rate": _shown(raw),
        "win_rate_length_adjusted": _shown(even) | {"length_effect": even.length_effect},
    }
    if calibration is not None:
        found = corrected_win_rate(values, calibration, clusters=panelled.clusters, confidence=confidence)
        counts["win_rate_corrected"] = _shown(found) | {"gain": calibration.gain}
    counts["voices"] = {voice.label: _voice(panelled, voice, confidence) for voice in panelled.by_voice}
    return counts | between(
        {voice: [one.win for one in found] for voice, found in panelled.by_voice.items()},
        panelled.clusters,
        confidence,
    )


def between(columns: Mapping[Voice, Sequence[float | None]], clusters: Numbers, confidence: float) -> dict[str, Any]:
    """What two wordings of one judge differ in, and how far judges agree in one wording; nothing for a lone voice."""
    told: dict[str, Any] = {}
    for one, other in combinations(columns, 2):
        if one.judge == other.judge:
            found = _moved(columns[one], columns[other], clusters, confidence)
            told.setdefault("wording_effect", {})[f"{one.label} → {other.wording}"] = found
        elif one.wording == other.wording:
            found = _agreement(columns[one], columns[other], confidence)
            told.setdefault("agreement", {})[f"{one.label} ~ {other.judge}"] = found
    if len(columns) > 1:
        told["krippendorff_alpha"] = _shown(krippendorff_alpha(list(columns.values()), confidence=confidence))
    return told


def _moved(
    one: Sequence[float | None], other: Sequence[float | None], clusters: Numbers, confidence: float
) -> dict[str, Any]:
    """The mean difference with its interval, and the share of items that got another value."""
    both = _array(other) - _array(one)
    spread = max(1.0, float(np.nanmax(np.abs(both), initial=0.0)))
    scaled = win_rate(1 + (both / spread + 1) / 2, clusters=clusters, confidence=confidence)  # [−s, s] onto [0, 1]
    low, high = scaled.interval.low, scaled.interval.high
    known = both[~np.isnan(both)]
    return {
        "value": (2 * scaled.value - 1) * spread,
        "low": (2 * low - 1) * spread,
        "high": (2 * high - 1) * spread,
        "changed": float(np.mean(np.abs(known) > 1e-9)) if len(known) else None,
        **_agreement(one, other, confidence),
    }


def _agreement(one: Sequence[float | None], other: Sequence[float | None], confidence: float) -> dict[str, Any]:
    return {
        "kappa": _shown(kappa(table_of(one, other), confidence=confidence)),
        "alpha": _shown(krippendorff_alpha([one, other], confidence=confidence)),
    }


def _voice(panelled: Panelled, voice: Voice, confidence: float) -> dict[str, Any]:
    found = panelled.by_voice[voice]
    raw = win_rate(_array([one.win for one in found]) + 1, clusters=panelled.clusters, confidence=confidence)
    reasons = Counter(one.reason for one in found if one.win is None)
    told = {"win_rate": _shown(raw), "unscored": sum(reasons.values()), "reasons": dict(reasons)}
    return told | position(found, panelled.clusters.tolist(), confidence)


def _array(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _shown(found: Measured | Any) -> dict[str, float]:
    return {"value": found.value, "low": found.interval.low, "high": found.interval.high}
