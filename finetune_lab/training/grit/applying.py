"""From directions to weights: by hand, or through an optimizer that is given them as gradients."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from finetune_lab.training.grit.layers import LoraLayer, Side


@dataclass(frozen=True, kw_only=True)
class Part:
    """One stack in one step: matrices as rank × wide, their gradients and directions d [n, r, width].

    `curvature`: dᵀF d in nats for each matrix [n, 1, 1]; None where the rule does not say.
    """

    sides: Sequence[Side]
    weights: list[Any]
    groups: list[dict[str, Any]]
    gradient: Tensor
    direction: Tensor
    curvature: Tensor | None
    good: Tensor  # [n, 1, 1]: has a gradient, and it is finite

    @property
    def rates(self) -> Tensor:
        """The learning rate of each matrix, [n, 1, 1]."""
        return self.gradient.new_tensor([group["lr"] for group in self.groups])[:, None, None]


def stacked_gradients(weights: Sequence[Any], sides: Sequence[Side], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Gradients [n, r, width] as rank × wide, and which of them are good [n, 1, 1]; zeros for those that are not."""
    given = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
    wide = [grad if side.inner else grad.T for grad, side in zip(given, sides, strict=True)]
    gradient = torch.stack([part.to(dtype) for part in wide])
    good = torch.isfinite(gradient.sum((-1, -2), keepdim=True))  # a NaN stays in its own matrix
    present = [weight.grad is not None for weight in weights]
    if not all(present):
        good = good & torch.tensor(present, device=good.device)[:, None, None]
    if gradient.is_cpu and bool(good.all()):  # elsewhere asking would wait for the device
        return gradient, good
    return torch.where(good, gradient, 0.0), good


def within(parts: Sequence[Part], kl_clip: float | None) -> Tensor | None:
    """What all directions are multiplied by, so that the step changes what the model says by at most `kl_clip` nats
    per scored token: KL ≈ ½ Σ (rate·d)ᵀF (rate·d). None where nothing bounds the step.
    """
    if kl_clip is None or any(part.curvature is None for part in parts):
        return None
    terms = [(part.rates.square() * part.curvature).sum() for part in parts if part.curvature is not None]
    divergence = torch.stack(terms).sum() / 2
    return (kl_clip / divergence.clamp_min(torch.finfo(divergence.dtype).tiny)).sqrt().clamp_max(1)


def apply(part: Part, trust: float | None) -> None:
    """Take one step of AdamW's form: decay, then the direction times the rate."""
    direction = part.direction
    if trust is not None:
        size = direction.square().mean((-1, -2), keepdim=True).sqrt()
        direction = direction * (trust / size.clamp_min(1e-30)).clamp_max(1)
    if any(group["weight_decay"] for group in part.groups):
        for weight, group, good in zip(part.weights, part.groups, part.good.flatten(), strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"] * good)
    changes = [
        (change if side.inner else change.T).to(weight.dtype)
        for weight, side, change in zip(part.weights, part.sides, direction, strict=True)
    ]
    scaled = torch._foreach_mul(changes, [float(group["lr"]) for group in part.groups])
    torch._foreach_sub_(part.weights, scaled)


def hand_on(part: Part) -> None:
    """Put the directions where the gradients were; a matrix without a good one is left out of the step."""
    for weight, side, direction, good in zip(
        part.weights, part.sides, part.direction, part.good.flatten().tolist(), strict=True
    ):
        if good:
            weight.grad.copy_(direction if side.inner else direction.T)
        else:
            weight.grad = None


def update_others(optimizer: torch.optim.Optimizer, step: int) -> None:
    """Trainable weights outside the LoRA layers (a norm, a head) take plain AdamW."""
    for group in optimizer.param_groups[2:]:
        for weight in group["params"]:
            if weight.grad is None:
                continue
            beta1, beta2 = group["betas"]
            state = optimizer.state[weight]
            first = state.setdefault("first", torch.zeros_like(weight)).lerp_(weight.grad, 1 - beta1)
            second = state.setdefault("second", torch.zeros_like(weight))
            second.lerp_(weight.grad.square(), 1 - beta2)
            size = second.sqrt() / math.sqrt(1 - beta2**step) + group["eps"]
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.sub_(group["lr"] * (first / (1 - beta1**step)) / size)


class Inner:
    """The optimizer behind a preconditioner. It works on the outer one's groups, so that a scheduler reaches it."""

    MOMENTS = ("exp_avg", "exp_avg_sq")

    def __init__(self, outer: torch.optim.Optimizer, kind: type[torch.optim.Optimizer], reprojects: bool) -> None:
        if reprojects and not issubclass(kind, torch.optim.AdamW):
            raise ValueError(
                f"reproject_every carries the moments of torch.optim.AdamW along, and inner is {kind.__name__}: "
                "take AdamW, or leave reproject_every out"
            )
        make: Any = kind
        self.optimizer = make([dict(group) for group in outer.param_groups], lr=outer.defaults["lr"])
        for ours, theirs in zip(outer.param_groups, self.optimizer.param_groups, strict=True):
            for name, value in theirs.items():
                ours.setdefault(name, value)

    def step(self, groups: list[dict[str, Any]]) -> None:
        """One step from the gradients as they are, with the rates of `groups`."""
        self.optimizer.param_groups = groups
        self.optimizer.step()

    def carry(self, layer: LoraLayer, matrix: Tensor) -> None:
        """Moments of directions behind A ← R A, B ← B R⁻¹: they turn as the weights do, second ones by squares."""
        back = torch.linalg.inv(matrix)
        for name, turn in zip(self.MOMENTS, (lambda one: one, torch.square), strict=True):
            inner, outer = (self.optimizer.state[weight] for weight in (layer.inner.weight, layer.outer.weight))
            if name in inner:
                inner[name].copy_(turn(matrix) @ inner[name].double())
            if name in outer:
                outer[name].copy_(outer[name].double() @ turn(back))

    def cut(self, layer: LoraLayer, rank: int) -> None:
        """Moments of the first `rank` directions."""
        for name in self.MOMENTS:
            inner, outer = (self.optimizer.state[weight] for weight in (layer.inner.weight, layer.outer.weight))
            if name in inner:
                inner[name] = inner[name][:rank].clone()
            if name in outer:
                outer[name] = outer[name][:, :rank].clone()
