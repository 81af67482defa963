"""Dynamic rank: how many directions a layer keeps after a balancing, and the cut itself."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from finetune_lab.maths.curvature import kept_directions, kept_within, truncation_loss
from finetune_lab.training.grit.balancing import Balance
from finetune_lab.training.grit.layers import LoraLayer, Side, Stack
from finetune_lab.training.grit.settings import GritSettings


def chosen_ranks(
    balances: Mapping[int, Balance], settings: GritSettings, per_target: Tensor, spent: float
) -> dict[int, int]:
    """The rank of every balanced layer, by its share of Σσ² or by what of the budget is not yet `spent`.

    `per_target` [layers] turns a loss per row into one per target token.
    """
    numbers = list(balances)
    if not numbers:
        return {}
    sigmas = [balances[number].sigma * float(per_target[number]) ** 0.5 for number in numbers]
    if settings.share is not None:
        kept = [int(kept_directions(one[None], share=settings.share, floor=settings.floor)[0]) for one in sigmas]
    else:
        assert settings.budget_nats is not None
        kept = kept_within(sigmas, budget=max(0.0, settings.budget_nats - spent), floor=settings.floor)
    return dict(zip(numbers, kept, strict=True))


def lost_nats(balances: Mapping[int, Balance], ranks: Mapping[int, int], per_target: Tensor) -> float:
    """What the cut to `ranks` adds to the loss, in nats per target token, to second order."""
    return sum(truncation_loss(balances[n].sigma, rank) * float(per_target[n]) for n, rank in ranks.items())


def cut(layer: LoraLayer, rank: int) -> None:
    """Keep the first `rank` directions of weights and gradients."""
    inner, outer = layer.inner.weight, layer.outer.weight
    gradients = None if inner.grad is None else inner.grad[:rank], None if outer.grad is None else outer.grad[:, :rank]
    layer.resize(inner.data[:rank].clone(), outer.data[:, :rank].clone())
    for weight, gradient in zip((inner, outer), gradients, strict=True):
        weight.grad = None if gradient is None else gradient.contiguous().clone()


def restacked(
    old: Mapping[str, tuple[Sequence[Side], Stack]],
    new: Mapping[str, Sequence[Side]],
    layers: Sequence[LoraLayer],
    cut_one: Callable[[str, Tensor, int], Tensor],
) -> dict[str, Stack]:
    """What a rule remembers of every matrix, cut to the matrix' rank by `cut_one` and stacked by the new shapes."""
    single = {
        side: {name: cut_one(name, value[place], layers[side.layer].rank) for name, value in stack.items()}
        for sides, stack in old.values()
        for place, side in enumerate(sides)
    }
    return {
        key: {name: torch.stack([single[side][name] for side in sides]) for name in single[sides[0]]}
        for key, sides in new.items()
    }
