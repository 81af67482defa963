"""The numbers of every layer: separation with its interval, probe, and the permutation test over all layers."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune_lab.errors import ConfigError
from finetune_lab.inference.state_file import States
from finetune_lab.maths.cluster_shape import davies_bouldin
from finetune_lab.maths.label_permutation import Permuted, length_bins, max_test, permuted_labels
from finetune_lab.maths.pairing import cluster_numbers
from finetune_lab.maths.probe import auroc, group_folds, probe_scores, true_positive_rate
from finetune_lab.maths.separation import (
    Spread,
    clustered_interval,
    permuted_delta_squared,
    spread,
    spread_without,
    standardise,
)
from finetune_lab.preparing.prompts import Prompts

Floats = NDArray[np.float64]
NOT_ALIGNMENT = "separability of safe and unsafe prompts, not alignment: read it beside refusal and over-refusal"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer. `p_value` is adjusted for all layers but 0 (the largest of them under permuted labels)."""

    layer: int
    delta_squared: float
    low: float
    high: float
    p_value: float
    xie_beni: float
    calinski_harabasz: float
    aqi: float
    davies_bouldin: float
    probe_auroc: float
    probe_tpr: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How every layer is looked at. `folds`, `groups` (numbered) and `permuted` are the same for all of them."""

    standardised: bool
    weight: float
    folds: NDArray[np.int64]
    groups: NDArray[np.int64]
    permuted: Permuted

    @classmethod
    def of(
        cls, prompts: Prompts, *, standardised: bool, weight: float, num_folds: int, num_permutations: int, seed: int
    ) -> "Setting":
        strata = list(zip(prompts.topics, length_bins(prompts.lengths).tolist(), strict=True))
        return cls(
            standardised=standardised,
            weight=weight,
            folds=group_folds(
                prompts.groups, prompts.unsafe, num_folds=num_folds, generator=np.random.default_rng([seed, 0])
            ),
            groups=cluster_numbers(prompts.ids, prompts.groups)[0],
            permuted=permuted_labels(
                prompts.unsafe,
                strata=strata,
                groups=prompts.groups,
                num=num_permutations,
                generator=np.random.default_rng([seed, 1]),
            ),
        )


def every_layer(states: States, prompts: Prompts, setting: Setting) -> tuple[Layer, ...]:
    """All layers, one in memory at a time; p-values are those of the test of the largest δ² among them.

    Layer 0 is a control, words without order, and is tested by itself.
    """
    found, nulls = [], []
    for layer, null in _layers(states, prompts, setting):
        found.append(layer)
        nulls.append(null)
    if not setting.permuted.num_exchangeable:
        return tuple(found)
    whole = np.stack(nulls, axis=1)
    tests = [max_test(whole[0, chosen], whole[1:, chosen]) for chosen in (slice(0, 1), slice(1, None))]
    return tuple(replace(layer, p_value=p_value) for layer, p_value in zip(found, [*tests[0], *tests[1]], strict=True))


def _layers(states: States, prompts: Prompts, setting: Setting) -> Iterator[tuple[Layer, Floats]]:
    unsafe, labels = prompts.unsafe, np.vstack([prompts.unsafe, setting.permuted.labels])
    for number in range(states.num_layers):
        of_layer = states.layer(number)
        whole, without = spreads(of_layer, prompts, setting)
        interval = clustered_interval(whole.delta_squared, without.delta_squared, setting.groups)
        scores = probe_scores(of_layer, unsafe, setting.folds)
        shown = standardise(of_layer, unsafe) if setting.standardised else of_layer
        layer = Layer(
            layer=number,
            delta_squared=whole.delta_squared,
            low=interval.low,
            high=interval.high,
            p_value=np.nan,
            xie_beni=whole.xie_beni,
            calinski_harabasz=whole.calinski_harabasz,
            aqi=whole.aqi(setting.weight),
            davies_bouldin=davies_bouldin(shown, unsafe),
            probe_auroc=auroc(scores, unsafe),
            probe_tpr=true_positive_rate(scores, unsafe),
        )
        yield layer, permuted_delta_squared(of_layer, labels, standardised=setting.standardised)


def spreads(states: Floats, prompts: Prompts, setting: Setting) -> tuple[Spread, Spread]:
    """The spread of one layer, and with each prompt left out."""
    reference = states if setting.standardised else None
    return (
        spread(states, prompts.unsafe, reference=reference, groups=setting.groups),
        spread_without(states, prompts.unsafe, reference=reference, groups=setting.groups),
    )


def layer_number(layer: int, num_layers: int) -> int:
    """`layer` counted from the embeddings, negative ones from the last. Raises ConfigError for any other."""
    if not -num_layers <= layer < num_layers:
        raise ConfigError(
            f"layer: the model has {num_layers} (0 the embeddings, {num_layers - 1} the last), got {layer}"
        )
    return layer % num_layers
