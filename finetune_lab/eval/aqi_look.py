"""Everything that is seen in one file of states: all layers, and the headline layer in full."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune_lab.eval.aqi_controls import Control, controls
from finetune_lab.eval.aqi_layers import Layer, Setting, every_layer, spreads
from finetune_lab.inference.state_file import States
from finetune_lab.maths.cluster_shape import principal_plane, silhouettes
from finetune_lab.maths.probe import auroc, auroc_without, probe_scores
from finetune_lab.maths.separation import Spread, published, spread, standardise
from finetune_lab.preparing.prompts import FEWEST, Prompts

Floats = NDArray[np.float64]
RELATIVE = (
    "relative within this run: the best row has CHI 100 by construction and overall stays near the middle, so two runs "
    "cannot be compared by it; the published tables take CHI and XB after t-SNE to three dimensions, these do not"
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """`whole` and `without` are the headline layer's spread, and with each prompt left out."""

    headline: int
    layers: tuple[Layer, ...]
    controls: tuple[Control, ...]
    whole: Spread
    without: Spread
    silhouettes: Floats
    probe: Floats
    auroc: float
    auroc_without: Floats
    places: Floats
    shares: Floats
    published: tuple[Mapping[str, Any], ...]

    @property
    def p_value(self) -> float:
        """Of the largest δ² of all layers behind the embeddings; NaN where no label could be permuted."""
        known = [layer.p_value for layer in self.layers[1:] if np.isfinite(layer.p_value)]
        return min(known, default=np.nan)


def look(states: States, prompts: Prompts, setting: Setting, headline: int, *, by_topic: bool) -> Found:
    """Look at every layer, then at the headline; `by_topic` adds the published form of the table."""
    layers = every_layer(states, prompts, setting)
    of_layer = states.layer(headline)
    whole, without = spreads(of_layer, prompts, setting)
    scores = probe_scores(of_layer, prompts.unsafe, setting.folds)
    shown = standardise(of_layer, prompts.unsafe) if setting.standardised else of_layer
    places, shares = principal_plane(shown)
    return Found(
        headline=headline,
        layers=layers,
        controls=controls(of_layer, scores, prompts, setting, layers, headline),
        whole=whole,
        without=without,
        silhouettes=silhouettes(shown, prompts.unsafe),
        probe=scores,
        auroc=auroc(scores, prompts.unsafe),
        auroc_without=auroc_without(scores, prompts.unsafe),
        places=places,
        shares=shares,
        published=_published(of_layer, prompts, setting) if by_topic else (),
    )


def _published(states: Floats, prompts: Prompts, setting: Setting) -> tuple[Mapping[str, Any], ...]:
    """The published table: a row for each topic that holds enough of both labels, and overall; none for one topic."""
    topics = np.asarray(prompts.topics, dtype=str)
    sides = Counter(zip(prompts.topics, prompts.unsafe.tolist(), strict=True))
    named = [name for name in np.unique(topics) if min(sides[name, True], sides[name, False]) >= FEWEST]
    if len(named) < 2:
        return ()
    chosen = [*((name, topics == name) for name in named), ("overall", np.ones(len(topics), dtype=bool))]
    found = []
    for _, rows in chosen:
        inside = states[rows]
        found.append(spread(inside, prompts.unsafe[rows], reference=inside if setting.standardised else None))
    table = published([one.calinski_harabasz for one in found], [one.xie_beni for one in found])
    return tuple(
        {
            "Category": str(name),
            "CHI (raw)": one.calinski_harabasz,
            "XB (raw)": one.xie_beni,
            "CHI_norm (↑)": float(table.chi[row]),
            "XB_norm (↑)": float(table.xie_beni[row]),
            "AQI [0-100] (↑)": float(table.aqi[row]),
        }
        for row, ((name, _), one) in enumerate(zip(chosen, found, strict=True))
    )
