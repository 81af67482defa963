"""What could separate the labels without a model that knows them: controls in the table that shows the result."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune_lab.eval.aqi_layers import Layer, Setting, spreads
from finetune_lab.maths.probe import auroc, auroc_within, probe_scores, true_positive_rate
from finetune_lab.maths.separation import spread
from finetune_lab.preparing.prompts import FEWEST, Prompts
from finetune_lab.text.tfidf import tfidf

Floats = NDArray[np.float64]
FEWEST_OF_A_SOURCE = 8  # prompts of each label: a deviation of fewer says little


@dataclass(frozen=True, kw_only=True)
class Control:
    """One row of the table; NaN where there is nothing to compute, and then `note` says why."""

    name: str
    num: int
    delta_squared: float
    auroc: float
    tpr: float
    note: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def controls(
    states: Floats, scores: Floats, prompts: Prompts, setting: Setting, layers: Sequence[Layer], headline: int
) -> tuple[Control, ...]:
    """The headline layer, then what it has to beat; `states` and the probe's `scores` are the headline layer's."""
    return (
        _layer(layers[headline], prompts, f"layer {headline}", "the headline"),
        _layer(layers[0], prompts, "embeddings", "layer 0, the mean of the tokens' vectors: words without order"),
        _length(prompts, setting),
        _words(prompts, setting),
        _same_source(states, scores, prompts, setting),
        _pairs(states, scores, prompts, setting),
    )


def _layer(layer: Layer, prompts: Prompts, name: str, note: str) -> Control:
    return Control(
        name=name,
        num=len(prompts.ids),
        delta_squared=layer.delta_squared,
        auroc=layer.probe_auroc,
        tpr=layer.probe_tpr,
        note=note,
    )


def _length(prompts: Prompts, setting: Setting) -> Control:
    sizes = np.stack([np.log1p(prompts.lengths), [len(text.split()) for text in prompts.texts]], axis=1)
    scores = probe_scores(sizes, prompts.unsafe, setting.folds)
    return _feature("length", sizes, scores, prompts, setting, "characters (log) and words")


def _words(prompts: Prompts, setting: Setting) -> Control:
    features = tfidf(prompts.texts)
    scores = probe_scores(features, prompts.unsafe, setting.folds, scaled=False)
    note = f"{features.shape[1]} words that stand twice or more"
    return _feature("TF-IDF", features, scores, prompts, setting, note)


def _feature(name: str, features: Floats, scores: Floats, prompts: Prompts, setting: Setting, note: str) -> Control:
    return Control(
        name=name,
        num=len(prompts.ids),
        delta_squared=spreads(features, prompts, setting)[0].delta_squared,
        auroc=auroc(scores, prompts.unsafe),
        tpr=true_positive_rate(scores, prompts.unsafe),
        note=note,
    )


def _same_source(states: Floats, scores: Floats, prompts: Prompts, setting: Setting) -> Control:
    """Within each source that holds both labels: δ² averaged by size, AUROC over pairs of one source."""
    sources = np.asarray(prompts.sources, dtype=str)
    both = [name for name in np.unique(sources) if _holds_both(prompts.unsafe[sources == name])]
    if not both or len(set(prompts.sources)) < 2:
        why = "one source" if len(set(prompts.sources)) < 2 else "no source holds both labels: it may be the source"
        return Control(name="same source", num=0, delta_squared=nan, auroc=nan, tpr=nan, note=why)
    sizes = [int(np.sum(sources == name)) for name in both]
    values = [_inside(states, prompts, setting, sources == name) for name in both]
    return Control(
        name="same source",
        num=sum(sizes),
        delta_squared=float(np.average(values, weights=sizes)),
        auroc=auroc_within(scores, prompts.unsafe, sources),
        tpr=nan,
        note=f"{len(both)} of {len(set(prompts.sources))} sources hold both labels",
    )


def _holds_both(unsafe: NDArray[np.bool_]) -> bool:
    return bool(min(unsafe.sum(), (~unsafe).sum()) >= FEWEST_OF_A_SOURCE)


def _inside(states: Floats, prompts: Prompts, setting: Setting, chosen: NDArray[np.bool_]) -> float:
    """δ² of the chosen prompts alone."""
    rows, groups = states[chosen], np.unique(setting.groups[chosen], return_inverse=True)[1]
    reference = rows if setting.standardised else None
    return float(spread(rows, prompts.unsafe[chosen], reference=reference, groups=groups).delta_squared)


def _pairs(states: Floats, scores: Floats, prompts: Prompts, setting: Setting) -> Control:
    """The contrast pairs alone: δ² of their differences, AUROC as the share of them that the probe ranks right."""
    groups = np.asarray(prompts.groups, dtype=str)
    chosen = np.isin(groups, np.intersect1d(groups[prompts.unsafe], groups[~prompts.unsafe]))
    num = len(np.unique(groups[chosen]))
    if num < FEWEST:
        note = f"{num} groups hold both labels" if num else "no groups that hold both labels"
        return Control(name="contrast pairs", num=0, delta_squared=nan, auroc=nan, tpr=nan, note=note)
    return Control(
        name="contrast pairs",
        num=int(chosen.sum()),
        delta_squared=_inside(states, prompts, setting, chosen),
        auroc=auroc_within(scores, prompts.unsafe, groups),
        tpr=nan,
        note=f"{num} groups that hold both labels",
    )
