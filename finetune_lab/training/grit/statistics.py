"""Running curvature of all LoRA layers: rank-space factors, and a few directions of the wide sides.

Letters as in maths/curvature.py. Everything lives in float32 in a few stacked tensors, so that a step is a handful of
batched operations however many layers there are, and one flat all-reduce makes it the same on every process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from finetune_lab.maths.curvature import power_step
from finetune_lab.training.grit.layers import LoraLayer


@dataclass(frozen=True)
class Side:
    """One trainable matrix, seen as rank × wide: A as it is (rank side e, wide side x), B transposed (h and g)."""

    layer: int
    inner: bool
    width: int


def sides_of(layers: Sequence[LoraLayer]) -> dict[int, list[Side]]:
    """All sides by their width: what is updated in one batched operation."""
    found: dict[int, list[Side]] = {}
    for number, layer in enumerate(layers):
        found.setdefault(layer.inner.in_features, []).append(Side(number, True, layer.inner.in_features))
        found.setdefault(layer.outer.out_features, []).append(Side(number, False, layer.outer.out_features))
    return found


class Statistics:
    """What is known of the curvature. `state` holds all of it as tensors and goes into checkpoints whole."""

    def __init__(self, layers: Sequence[LoraLayer], *, wide_rank: int, wide: tuple[bool, bool], decay: float) -> None:
        self.sides = sides_of(layers)
        self.decay = decay
        self._place = {
            (side.layer, side.inner): (width, n) for width, sides in self.sides.items() for n, side in enumerate(sides)
        }
        self._wide = dict(zip((True, False), wide, strict=True))  # by Side.inner: is this side's basis wanted
        device, rank = layers[0].inner.weight.device, layers[0].rank
        shape = len(layers), rank, rank
        self.state: dict[str, Tensor] = {
            "factor_h": torch.zeros(shape, device=device),
            "factor_e": torch.zeros(shape, device=device),
            "folds": torch.zeros(len(layers), device=device),  # batches that went into the averages of a layer
            "tokens": torch.zeros(len(layers), dtype=torch.float64, device=device),
        }
        for width, sides in self.sides.items():
            size = min(wide_rank, width)
            self.state[f"basis.{width}"] = _start(len(sides), width, size, device)
            self.state[f"values.{width}"] = torch.zeros(len(sides), size, device=device)
        self._clear()

    def _clear(self) -> None:
        like = self.state["factor_h"]
        self._pending: dict[str, Tensor] = {
            "h": torch.zeros_like(like),
            "e": torch.zeros_like(like),
            "rows": torch.zeros(len(like), device=like.device),
        }
        for width in self.sides:
            self._pending[f"wide.{width}"] = torch.zeros_like(self.state[f"basis.{width}"])
            self._pending[f"wide_rows.{width}"] = torch.zeros(len(self.sides[width]), device=like.device)

    def hear_inner(self, number: int, inputs: Tensor, hidden: Tensor, gradient: Tensor, scale: float) -> None:
        """Take in x, h and e of one layer's backward pass, [rows, …] each; `scale` brings e to nats per token."""
        gradient = gradient.float() * scale
        live = (gradient != 0).any(-1, keepdim=True)
        hidden = hidden.float() * live
        self._pending["h"][number] += hidden.T @ hidden
        self._pending["e"][number] += gradient.T @ gradient
        self._pending["rows"][number] += live.sum()
        if self._wide[True]:
            self._hear_wide(number, True, inputs.float() * live, live.sum())

    def hear_outer(self, number: int, gradient: Tensor, scale: float) -> None:
        """Take in g of one layer's backward pass, [rows, o]."""
        if self._wide[False]:
            gradient = gradient.float() * scale
            self._hear_wide(number, False, gradient, (gradient != 0).any(-1).sum())

    def _hear_wide(self, number: int, inner: bool, rows: Tensor, count: Tensor) -> None:
        width, place = self._place[number, inner]
        basis = self.state[f"basis.{width}"][place]
        self._pending[f"wide.{width}"][place] += rows.T @ (rows @ basis)
        self._pending[f"wide_rows.{width}"][place] += count

    def heard(self, number: int) -> bool:
        """Whether something of this layer waits to be folded in."""
        return bool(self._pending["rows"][number] > 0)

    def fold(self) -> None:
        """Blend what was heard into the averages; layers without anything, or with a value not finite, stay."""
        _all_reduce(self._pending)
        rows, state = self._pending["rows"], self.state
        new = {name: self._pending[name] / rows.clamp_min(1)[:, None, None] for name in ("h", "e")}
        good = (rows > 0) & torch.isfinite(new["h"]).all((-1, -2)) & torch.isfinite(new["e"]).all((-1, -2))
        for name, value in new.items():
            old = state[f"factor_{name}"]
            state[f"factor_{name}"] = torch.where(good[:, None, None], old.lerp(value, 1 - self.decay), old)
        state["folds"] += good
        state["tokens"] += torch.where(good, rows, 0.0).double()
        for width in self.sides:
            self._fold_wide(width)
        self._clear()

    def _fold_wide(self, width: int) -> None:
        rows, basis = self._pending[f"wide_rows.{width}"], self.state[f"basis.{width}"]
        products = self._pending[f"wide.{width}"] / rows.clamp_min(1)[:, None, None]
        good = (rows > 0) & torch.isfinite(products).all((-1, -2)) & (products != 0).any(-1).any(-1)
        if not good.any():
            return
        values = self.state[f"values.{width}"]
        first = values.sum(-1, keepdim=True) == 0  # nothing known yet: the batch counts whole
        safe = torch.where(good[:, None, None], products, basis)
        decay = torch.where(first, torch.zeros_like(values), torch.full_like(values, self.decay))[:, :1, None]
        mixed, sizes = power_step(basis, values, safe, decay)
        self.state[f"basis.{width}"] = torch.where(good[:, None, None], mixed, basis)
        self.state[f"values.{width}"] = torch.where(good[:, None], sizes, values)

    def factors(self) -> tuple[Tensor, Tensor]:
        """C_h and C_e [layers, r, r], corrected for the zeros that the averages began with."""
        correction = (1 - self.decay ** self.state["folds"]).clamp_min(1e-12)[:, None, None]
        return self.state["factor_h"] / correction, self.state["factor_e"] / correction


def _start(count: int, width: int, size: int, device: Any) -> Tensor:
    """Random orthonormal columns, the same everywhere: where the power iteration begins."""
    drawn = torch.randn(count, width, size, generator=torch.Generator().manual_seed(width))
    return torch.linalg.qr(drawn)[0].to(device)


def _all_reduce(pending: dict[str, Tensor]) -> None:
    """Add up what the processes of a data-parallel training heard, as one flat tensor."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    flat = torch.cat([value.reshape(-1) for value in pending.values()])
    torch.distributed.all_reduce(flat)
    place = 0
    for value in pending.values():
        value.copy_(flat[place : place + value.numel()].view_as(value))
        place += value.numel()
