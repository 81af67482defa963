"""Two models on the same prompts: what became of the separation from one file of states to the other."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune_lab.errors import DataError
from finetune_lab.eval.aqi_layers import NOT_ALIGNMENT, layer_number
from finetune_lab.inference.state_file import States, read_states
from finetune_lab.maths.pairing import cluster_numbers
from finetune_lab.maths.separation import clustered_interval
from finetune_lab.maths.separation_change import BiasedBootstrap, Change, biased_bootstrap, change
from finetune_lab.preparing.prompts import FEWEST
from finetune_lab.records import Evaluation, Score, Statistic

Floats = NDArray[np.float64]
BIASED = (
    "biased: resampling prompts repeats some, which moves the class means apart; the ratios say how far the mean of "
    "the resampled AQI stands above the observed one (1 would be honest). Use the jackknife interval of Δδ²"
)


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The prompts that both files hold, and the rows where they stand in each."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    unsafe: NDArray[np.bool_]
    reference: NDArray[np.int64]
    candidate: NDArray[np.int64]
    num_dropped: int


def contrast(
    reference: Path,
    candidate: Path,
    *,
    chosen: Collection[str],
    layer: int,
    standardised: bool,
    weight: float,
    resamples: int,
    seed: int,
) -> Evaluation:
    """Δδ² and ΔAQI of the headline layer with their jackknife, Δδ² of every layer, and the biased bootstrap.

    `chosen`: the ids of the prompts to look at, as far as both files hold them. Raises DataError for files that do not
    belong together.
    """
    before, after = read_states(reference), read_states(candidate)
    shared = _shared(before, after, chosen)
    clusters = cluster_numbers(shared.ids, shared.groups)[0]
    headline = layer_number(layer, before.num_layers)
    curve = []
    for number in range(before.num_layers):
        sides = _sides(before, after, shared, number)
        found = change(*sides, shared.unsafe, standardised=standardised, groups=clusters)
        interval = clustered_interval(found.delta_squared, found.delta_squared_without, clusters)
        curve.append(
            {"layer": number, "delta_squared": found.delta_squared, "low": interval.low, "high": interval.high}
        )
        if number == headline:
            at_headline = found
    sides = _sides(before, after, shared, headline)
    generator = np.random.default_rng(seed)
    resampled = biased_bootstrap(
        *sides, shared.unsafe, weight=weight, standardised=standardised, num=resamples, generator=generator
    )
    counts = {
        "prompts": len(shared.ids),
        "dropped": shared.num_dropped,
        "layer": headline,
        "pooling": before.pooling,
        "standardised": "by the reference's within-class deviation" if standardised else "no",
        "weight": weight,
        "layers": curve,
        "bootstrap": _bootstrap_counts(resampled),
        "note": NOT_ALIGNMENT,
    }
    return _evaluation(shared, at_headline, weight, counts)


def _evaluation(shared: Shared, found: Change, weight: float, counts: dict[str, Any]) -> Evaluation:
    columns = {
        "delta_squared_change_without": found.delta_squared_without.tolist(),
        "aqi_change_without": found.aqi_without(weight).tolist(),
    }
    values = {"delta_squared_change": found.delta_squared, "aqi_change": found.aqi(weight)}
    counts["reference"], counts["candidate"] = (
        {"delta_squared": float(side.delta_squared), "aqi": float(side.aqi(weight))}
        for side in (found.reference, found.candidate)
    )
    return Evaluation(
        samples=shared.ids,
        clusters=shared.groups,
        columns=columns,
        scores=tuple(
            Score(
                name=name,
                value=None if np.isnan(value) else value,
                higher_is_better=True,
                statistic=Statistic(kind="jackknife", of=f"{name}_without", null=0.0),
            )
            for name, value in values.items()
        ),
        counts=counts,
    )


def _bootstrap_counts(found: BiasedBootstrap) -> dict[str, Any]:
    return {
        "of": "aqi_change",
        "biased": True,
        "note": BIASED,
        "resamples": found.num,
        "mean": found.mean,
        "low": found.interval.low,
        "high": found.interval.high,
        "reference_ratio": found.reference_ratio,
        "candidate_ratio": found.candidate_ratio,
    }


def _sides(before: States, after: States, shared: Shared, layer: int) -> tuple[Floats, Floats]:
    return before.layer(layer)[shared.reference], after.layer(layer)[shared.candidate]


def _shared(before: States, after: States, chosen: Collection[str]) -> Shared:
    """Pair both files by prompt. Raises DataError where pooling, layers or labels differ, or too little is shared."""
    for what, one, other in (
        ("pooled", before.pooling, after.pooling),
        ("layers", before.num_layers, after.num_layers),
        ("width", before.width, after.width),
    ):
        if one != other:
            raise DataError(f"{before.path} and {after.path} do not belong together: {what} {one} and {other}")
    places = {name: number for number, name in enumerate(after.about["samples"])}
    shared = places.keys() & set(chosen)
    rows = [(number, places[name]) for number, name in enumerate(before.about["samples"]) if name in shared]
    reference, candidate = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    unsafe = np.array(before.about["unsafe"], dtype=bool)[reference]
    if min(np.sum(unsafe), np.sum(~unsafe)) < FEWEST:
        raise DataError(f"{before.path} and {after.path} share {len(rows)} of these prompts, too few of each label")
    return Shared(
        ids=tuple(before.about["samples"][number] for number in reference),
        groups=tuple(before.about["groups"][number] for number in reference),
        unsafe=unsafe,
        reference=reference,
        candidate=candidate,
        num_dropped=len(before.about["samples"]) + len(after.about["samples"]) - 2 * len(rows),
    )
