"""Reprojection that preserves the function: both factors of every layer become one diagonal, and ΔW stays.

A ← R A, B ← B R⁻¹ with R of maths/curvature.balance. One scalar per layer is left free by that: it is set so that A
keeps the size at which LoRA starts it, and a learning rate its meaning.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from finetune_lab.maths.curvature import balance, eigenbases
from finetune_lab.training.grit.layers import LoraLayer, Side, by_rank
from finetune_lab.training.grit.statistics import Statistics

_WEAKEST = 1e-3  # scale of the weakest directions over the strongest: those at zero would never move again


@dataclass(frozen=True)
class Balance:
    """R and σ of one layer."""

    matrix: Tensor
    sigma: Tensor


def balances(layers: Sequence[LoraLayer], statistics: Statistics) -> dict[int, Balance]:
    """R [r, r] and σ [r], in float64, of every layer whose curvature is known on both sides.

    A layer with B = 0 has none: its e is zero.
    """
    factor_h, factor_e = (factor.double().cpu() for factor in statistics.factors())
    found = {}
    for rank, members in by_rank(layers).items():
        h, e = (factor[members][:, :rank, :rank] for factor in (factor_h, factor_e))
        jitter = torch.finfo(statistics.dtype).eps * torch.diag_embed(h.diagonal(dim1=-2, dim2=-1))
        _lower, broken = torch.linalg.cholesky_ex(h + jitter)
        usable = (broken == 0) & (e.diagonal(dim1=-2, dim2=-1).sum(-1) > 0) & torch.isfinite(e).all(-1).all(-1)
        chosen = [place for place, one in enumerate(usable.tolist()) if one]
        if not chosen:
            continue
        to, _, sigma = balance((h + jitter)[chosen], e[chosen], floor=_WEAKEST)
        for place, matrix, values in zip(chosen, to, sigma, strict=True):
            found[members[place]] = Balance(_sized(layers[members[place]], matrix), values)
    return found


def _sized(layer: LoraLayer, matrix: Tensor) -> Tensor:
    """R times the scalar that gives R A the root mean square of LoRA's own start, 1/√(3·d_in)."""
    inner = layer.inner.weight.detach().double().cpu()
    size = float((matrix @ inner).square().mean().sqrt())
    return matrix * (1 / (math.sqrt(3 * inner.shape[1]) * size)) if size > 0 else matrix


def apply(layer: LoraLayer, matrix: Tensor) -> None:
    """Turn weights and gradients of `layer` by R, in float64."""
    inner, outer = layer.inner.weight, layer.outer.weight
    forth = matrix.to(inner.device)
    back = torch.linalg.inv(forth)
    inner.data.copy_(forth @ inner.data.double())
    outer.data.copy_(outer.data.double() @ back)
    if inner.grad is not None:
        inner.grad.copy_(back.mT @ inner.grad.double())
    if outer.grad is not None:
        outer.grad.copy_(outer.grad.double() @ forth.mT)


def gradient_turns(sides: Sequence[Side], matrices: Mapping[int, Tensor], rank: int, dtype: torch.dtype) -> Tensor:
    """What the gradients of `sides`, as rank × wide, are turned by: R⁻ᵀ for A, R for Bᵀ; [sides, rank, rank]."""
    device = next(iter(matrices.values())).device if matrices else None
    turns = torch.eye(rank, dtype=torch.float64, device=device).repeat(len(sides), 1, 1)
    for place, side in enumerate(sides):
        if side.layer in matrices:
            matrix = matrices[side.layer]
            turns[place] = torch.linalg.inv(matrix).mT if side.inner else matrix
    return turns.to(dtype)


def project_as_published(layers: Sequence[LoraLayer], statistics: Statistics, rank: int) -> None:
    """A onto the first `rank` eigenvectors of C_h, B onto those of C_e: another function, and moments left behind."""
    for layer, h, e in zip(layers, *statistics.factors(), strict=True):
        for weight, factor, inner in ((layer.inner.weight, h, True), (layer.outer.weight, e, False)):
            leading = eigenbases(factor[None])[1][0][:, :rank]
            onto = (leading @ leading.mT).to(weight)
            weight.data.copy_(onto @ weight.data if inner else weight.data @ onto)


def spectra(layers: Sequence[LoraLayer], statistics: Statistics) -> list[dict[str, Tensor] | None]:
    """Eigenvalues of C_h and C_e and σ of every layer, largest first; None where one side is not known yet."""
    factor_h, factor_e = statistics.factors()
    found: list[dict[str, Tensor] | None] = [None] * len(layers)
    for rank, members in by_rank(layers).items():
        h, e = (factor[members][:, :rank, :rank].double().cpu() for factor in (factor_h, factor_e))
        values_h, vectors = eigenbases(h)
        values_e = eigenbases(e)[0]
        root = (vectors * values_h.clamp_min(0).sqrt()[:, None, :]) @ vectors.mT
        sigma = eigenbases(root @ e @ root)[0].clamp_min(0).sqrt()
        for place, number in enumerate(members):
            if float(values_h[place].sum()) > 0 and float(values_e[place].sum()) > 0:
                found[number] = {"h": values_h[place], "e": values_e[place], "sigma": sigma[place]}
    return found
