"""The default update: Adam in the eigenbases of the Fisher information, as seen by the rank and wide sides.

A LoRA matrix is updated as rank × wide. Its gradient is turned into the eigenbasis of its rank-side factor (C_e for
A, C_h for B); its wide side is split into the k leading directions U of its own covariance (of x for A, of g for B)
and the rest. Each part has second moments of its own and is normalised by them, which is Adam where the curvature is
nearly diagonal (George et al. 2018, arXiv 1806.03884); the first moment stays in the original space.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from finetune_lab.maths.curvature import carried, eigenbases
from finetune_lab.training.grit.balancing import gradient_turns
from finetune_lab.training.grit.layers import LoraLayer, Side, Stack, by_rank
from finetune_lab.training.grit.retention import Retention
from finetune_lab.training.grit.settings import GritSettings
from finetune_lab.training.grit.statistics import Statistics


class Ekfac:
    """The rule for stacks of matrices [n, r, width]; what it remembers of a stack is its `Stack`."""

    gradients_only = False
    wants_sizes = False

    def __init__(self, layers: Sequence[LoraLayer], statistics: Statistics, settings: GritSettings) -> None:
        self._layers, self._statistics, self._settings = layers, statistics, settings
        self.retention: Retention | None = None

    def begin(self, sides: Sequence[Side], rank: int, device: Any, dtype: torch.dtype) -> Stack:
        """What is remembered before the first step: zeros, and bases that turn nothing."""
        width, count = sides[0].width, len(sides)
        size = self._statistics.state[f"basis.{width}"].shape[-1]

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(count, *shape, device=device, dtype=dtype)

        eye = torch.eye(rank, device=device, dtype=dtype).repeat(count, 1, 1)
        moments = {"first": zeros(rank, width), "second": zeros(rank, width), "second_wide": zeros(rank, size)}
        return moments | {"rank_basis": eye, "wide_basis": zeros(width, size)}

    def refresh(
        self, stacks: Mapping[str, tuple[list[Side], Stack]], balanced: Mapping[int, Tensor], seed: int
    ) -> None:
        """Turn to the curvature as it is known now, and carry the second moments along.

        `balanced`: R of the layers that have just been balanced: their factors are diagonal, so that their bases are
        the coordinates themselves.
        """
        bases = self._rank_bases() if "rank" in self._settings.sides else {}
        for sides, stack in stacks.values():
            rank = stack["rank_basis"].shape[-1]
            rank_basis = stack["rank_basis"].clone()
            for place, side in enumerate(sides):
                if side.layer in balanced:
                    rank_basis[place] = torch.eye(rank).to(rank_basis)
                elif bases:
                    rank_basis[place] = bases[side.layer, side.inner]
            wide = self._statistics.wide_basis(sides) * self._wanted(sides)
            turns = gradient_turns(sides, balanced, rank, self._statistics.dtype) if balanced else None
            _turn(stack, rank_basis, _random_like(wide, seed=seed) if self._settings.placebo else wide, turns)
            if self.retention:
                parts = self.retention.shares(sides, stack["rank_basis"], stack["wide_basis"])
                stack["generic"], stack["generic_wide"] = parts

    def _rank_bases(self) -> dict[tuple[int, bool], Tensor]:
        """Eigenvectors of each side's rank-side factor: of C_e for A, of C_h for B."""
        factor_h, factor_e = self._statistics.factors()
        found: dict[tuple[int, bool], Tensor] = {}
        for rank, members in by_rank(self._layers).items():
            for inner, factor in ((True, factor_e), (False, factor_h)):
                vectors = eigenbases(factor[members][:, :rank, :rank])[1]
                found |= {(layer, inner): basis for layer, basis in zip(members, vectors, strict=True)}
        return found

    def _wanted(self, sides: Sequence[Side]) -> Tensor:
        """1 for sides whose wide basis is used and known, 0 for others: a basis of zeros is plain Adam."""
        known = self._statistics.wide_values(sides).sum(-1) > 0
        asked = torch.tensor([("input" if side.inner else "output") in self._settings.sides for side in sides])
        return (known & asked.to(known.device)).to(self._statistics.dtype)[:, None, None]

    def directions(
        self, stack: Stack, gradient: Tensor, good: Tensor, group: Any, step: int
    ) -> tuple[Tensor, Tensor | None]:
        """The normalised update d [n, r, width] in the original space; moments are brought up to date.

        Matrices that are not `good` [n, 1, 1] keep their moments and get a zero. The second value is dᵀF d of each
        matrix: second moments v are of a mean over N scored tokens, so that N·v stands for F (an upper bound, since
        a mean gradient is in v too), and d = m/√v gives N·‖m‖² in any basis.
        """
        (beta1, beta2), eps = group["betas"], group["eps"]
        first, rank_basis, wide_basis = stack["first"], stack["rank_basis"], stack["wide_basis"]
        # in place and with a weight of 0 for what is not good: what counts here is how often memory is walked through
        taken = good.to(gradient.dtype)
        first.lerp_(gradient, (1 - beta1) * taken)
        length = (torch.linalg.vector_norm(first, dim=(-1, -2), keepdim=True) / (1 - beta1**step)).square() * taken
        turned, moment = rank_basis.mT @ gradient, rank_basis.mT @ first
        inside, moment_inside = turned @ wide_basis, moment @ wide_basis
        turned.baddbmm_(inside, wide_basis.mT, alpha=-1)
        moment.baddbmm_(moment_inside, wide_basis.mT, alpha=-1)
        scale = 1 - beta1**step, math.sqrt(1 - beta2**step)
        level = stack["second"].mean((-1, -2), keepdim=True) if "generic" in stack else None
        for name, now, mean in (("second", turned, moment), ("second_wide", inside, moment_inside)):
            second = stack[name].lerp_(now.square_(), (1 - beta2) * taken)
            size = second if level is None else second + level * stack[name.replace("second", "generic")]
            mean.div_(scale[0]).div_(size.sqrt().div_(scale[1]).add_(eps))
        # normalising the rest turns some of it into the basis, which is taken out again
        moment_inside -= moment @ wide_basis
        moment.baddbmm_(moment_inside, wide_basis.mT)
        return (rank_basis * taken) @ moment, length * self._statistics.state["step_targets"]

    def carry(self, stack: Stack, gradient_turn: Tensor) -> None:
        """First moments are gradients and turn as they do; second moments turn with the bases, in `refresh`."""
        stack["first"] = gradient_turn @ stack["first"]

    def cut(self, name: str, value: Tensor, rank: int) -> Tensor:
        """One matrix' remembered tensor with the first `rank` directions."""
        if name == "wide_basis":
            return value
        return value[:rank, :rank] if name == "rank_basis" else value[:rank]


def _turn(stack: Stack, rank_basis: Tensor, wide_basis: Tensor, gauge: Tensor | None) -> None:
    """Second moments from the old bases to the new ones, through `gauge`, what gradients were turned by between."""
    old_rank, old_wide = stack["rank_basis"], stack["wide_basis"]
    old_turned = old_rank if gauge is None else gauge @ old_rank
    turn = (rank_basis.mT @ old_turned).square()
    second, wide = turn @ stack["second"], turn @ stack["second_wide"]
    overlap = old_wide.mT @ wide_basis
    # what of the new directions lay in the old rest is carried from the rest's own second moments
    fresh = wide_basis - old_wide @ overlap
    stack["second_wide"] = carried(wide, overlap) + carried(second, fresh)
    stack["second"] = second
    stack["rank_basis"], stack["wide_basis"] = rank_basis, wide_basis


def _random_like(bases: Tensor, *, seed: int) -> Tensor:
    """Random orthonormal bases of the same size: what is left when nothing measured is used."""
    used = bases.abs().sum((-1, -2), keepdim=True) > 0
    drawn = torch.randn(bases.shape, generator=torch.Generator().manual_seed(seed)).to(bases)
    return torch.linalg.qr(drawn)[0] * used
