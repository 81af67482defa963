"""Which rates an arm tries, and which it keeps: the same rule for every arm, on validation loss alone.

An arm starts with three rates, each double the last, around a rung that is set beforehand. As long as the best stands
at an edge, the ladder is extended there; then, if fewer than LEAST rates were tried, on the side of the better
neighbour. A loss that is not finite counts as the worst of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, log10
from typing import Any

from scripts.study_arms import rate_at, rung

FIRST = (-1, 0, 1)  # rungs around the middle that an arm begins with
LEAST, MOST = 4, 8  # rates of an arm on a task
WITHIN = 1.01  # of the best loss: what counts as the plateau

Losses = Mapping[int, float | None]  # by rung


def value(loss: float | None) -> float:
    """A loss to compare by."""
    return inf if loss is None else loss


def best(losses: Losses) -> int:
    """The rung with the lowest loss; the lower rate of equals."""
    return min(sorted(losses), key=lambda place: value(losses[place]))


def wanted(start: float, losses: Losses) -> list[int]:
    """The rungs that an arm has to try next; none when its choice stands."""
    middle = rung(start)
    first = [middle + place for place in FIRST if middle + place not in losses]
    if first or len(losses) >= MOST:
        return first
    found, low, high = best(losses), min(losses), max(losses)
    if found == low:
        return [low - 1]
    if found == high:
        return [high + 1]
    if len(losses) >= LEAST:
        return []
    return [low - 1] if value(losses[found - 1]) < value(losses[found + 1]) else [high + 1]


def plateau(losses: Losses) -> tuple[float, bool]:
    """How wide the rates within 1 % of the best loss lie, in decades, and whether both ends were seen.

    Between two rungs the loss is taken as linear in the logarithm of the rate. Where an end was not seen, the width
    is a lower bound.
    """
    top, limit = best(losses), WITHIN * value(losses[best(losses)])
    ends, seen = [], True
    for direction in (-1, 1):
        place = float(top)
        while True:
            inner, outer = round(place), round(place) + direction
            if outer not in losses:
                seen = False
                break
            if value(losses[outer]) > limit:
                near, far = value(losses[inner]), value(losses[outer])
                place += direction * ((limit - near) / (far - near) if far < inf else 0.0)
                break
            place = float(outer)
        ends.append(place)
    return (ends[1] - ends[0]) * log10(2), seen


def by_rung(notes: list[dict[str, Any]]) -> dict[int, float | None]:
    """Validation losses of an arm's search, by rung."""
    return {rung(note["run"]["rate"]): note["loss"]["validation"] for note in notes}


def chosen(notes: list[dict[str, Any]]) -> float:
    """The rate with the lowest validation loss."""
    return rate_at(best(by_rung(notes)))
