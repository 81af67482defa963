"""Rules with an inverse power of the rank-side factor: for any optimizer behind them, or as a natural gradient.

A ← C_e^-p gA and B ← gB C_h^-p: A's row curvature is C_e, B's column curvature is C_h (maths/curvature.py). The
published form has them the other way round and is here to reproduce what it gives.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from finetune_lab.maths.curvature import damped_inverses, powers
from finetune_lab.training.grit.layers import LoraLayer, Side, Stack, by_rank
from finetune_lab.training.grit.retention import Retention
from finetune_lab.training.grit.settings import GritSettings
from finetune_lab.training.grit.statistics import Statistics


class Precondition:
    """C^-p, scaled to trace r, on gradients that another optimizer then takes its step from."""

    gradients_only = True
    wants_sizes = False

    def __init__(self, layers: Sequence[LoraLayer], statistics: Statistics, settings: GritSettings) -> None:
        self._layers, self._statistics, self._settings = layers, statistics, settings
        self.retention: Retention | None = None

    def begin(self, sides: Sequence[Side], rank: int, device: Any, dtype: torch.dtype) -> Stack:
        """Nothing is known: the identity."""
        return {"inverse": torch.eye(rank, device=device, dtype=dtype).repeat(len(sides), 1, 1)}

    def refresh(
        self, stacks: Mapping[str, tuple[list[Side], Stack]], balanced: Mapping[int, Tensor], seed: int
    ) -> None:
        """Take the curvature as it is known now."""
        factor_h, factor_e = self._statistics.factors()
        found: dict[tuple[int, bool], Tensor] = {}
        for rank, members in by_rank(self._layers).items():
            h, e = (factor[members][:, :rank, :rank] for factor in (factor_h, factor_e))
            if self.retention:
                own = [[Side(n, inner, self._width(n, inner)) for n in members] for inner in (True, False)]
                e, h = self.retention.added(e, own[0]), self.retention.added(h, own[1])
            for inner, matrices in ((True, self._inverses(e, h)), (False, self._inverses(h, e))):
                found |= {(layer, inner): one for layer, one in zip(members, matrices, strict=True)}
        for sides, stack in stacks.values():
            stack["inverse"] = torch.stack([found[side.layer, side.inner] for side in sides])

    def _width(self, number: int, inner: bool) -> int:
        layer = self._layers[number]
        return layer.inner.in_features if inner else layer.outer.out_features

    def _inverses(self, own: Tensor, other: Tensor) -> Tensor:
        """P of one kind of side from `own`, its rank-side factor; `other` is what the published form takes."""
        settings = self._settings
        return powers(own, exponent=settings.exponent, relative_damping=settings.relative_damping)

    def directions(
        self, stack: Stack, gradient: Tensor, good: Tensor, group: Any, step: int
    ) -> tuple[Tensor, Tensor | None]:
        """P g; how long the step will be is up to the optimizer behind it."""
        return stack["inverse"] @ gradient * good, None

    def carry(self, stack: Stack, gradient_turn: Tensor) -> None:
        """Nothing here outlives a refresh, which follows."""

    def cut(self, name: str, value: Tensor, rank: int) -> Tensor:
        """One matrix' remembered tensor with the first `rank` directions."""
        return value[:rank, :rank] if name == "inverse" else value[:rank]


class Published(Precondition):
    """The factors swapped and the damping absolute, before Adam: not right, and here to be compared with."""

    def _inverses(self, own: Tensor, other: Tensor) -> Tensor:
        return damped_inverses(other, damping=self._settings.damping)


class Natural(Precondition):
    """Momentum of F⁻¹ g with the wide side taken as white, Σ ≈ λ·I, λ its mean square; gauge-invariant undamped.

    A step is no longer than `kl_clip` allows: dᵀF d ≈ ⟨d, g⟩ for d = F⁻¹ g.
    """

    gradients_only = False
    wants_sizes = True

    def begin(self, sides: Sequence[Side], rank: int, device: Any, dtype: torch.dtype) -> Stack:
        momentum = torch.zeros(len(sides), rank, sides[0].width, device=device, dtype=dtype)
        return super().begin(sides, rank, device, dtype) | {"momentum": momentum}

    def refresh(
        self, stacks: Mapping[str, tuple[list[Side], Stack]], balanced: Mapping[int, Tensor], seed: int
    ) -> None:
        """Take the curvature as it is known now, the size of the wide sides with it."""
        super().refresh(stacks, balanced, seed)
        size_x, size_g = self._statistics.sizes()
        for sides, stack in stacks.values():
            sizes = torch.stack([(size_x if side.inner else size_g)[side.layer] for side in sides])
            known = torch.where(sizes > 0, sizes, torch.ones_like(sizes))
            stack["inverse"] = stack["inverse"] / known[:, None, None]

    def _inverses(self, own: Tensor, other: Tensor) -> Tensor:
        return powers(own, exponent=1.0, relative_damping=self._settings.relative_damping, normalised=False)

    def directions(
        self, stack: Stack, gradient: Tensor, good: Tensor, group: Any, step: int
    ) -> tuple[Tensor, Tensor | None]:
        """The momentum with C⁻¹ g added to it; matrices that are not `good` keep theirs and get a zero."""
        momentum = stack["momentum"]
        fresh = momentum * group["betas"][0] + stack["inverse"] @ gradient
        momentum.copy_(torch.where(good, fresh, momentum))
        direction = momentum * good
        return direction, (direction * gradient).sum((-1, -2), keepdim=True).abs()

    def carry(self, stack: Stack, gradient_turn: Tensor) -> None:
        """The momentum is a direction: it turns against the gradients."""
        stack["momentum"] = torch.linalg.inv(gradient_turn).mT @ stack["momentum"]
