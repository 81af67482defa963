"""Running curvature of all LoRA layers: rank-space factors, and a few directions of the wide sides.

Letters as in maths/curvature.py. Everything lives in a few stacked tensors of float32 (float64 for a float64 model),
so that a step is a handful of batched operations however many layers there are, and one flat all-reduce makes it the
same on every process. Factors stay at the rank that a layer began with; behind a cut they are zero.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from finetune_lab.maths.curvature import power_step
from finetune_lab.training.grit.layers import LoraLayer, Side, sides_of

_NOTHING = 1e-6  # of the largest gradient of a layer


class Statistics:
    """What is known of the curvature. `state` holds all of it as tensors and goes into checkpoints whole."""

    def __init__(
        self,
        layers: Sequence[LoraLayer],
        *,
        wide_rank: int,
        wide: tuple[bool, bool],
        decay: float,
        sizes: bool = False,
    ) -> None:
        self.sides = sides_of(layers)
        self.decay = decay
        self._place = {
            (side.layer, side.inner): (width, n) for width, sides in self.sides.items() for n, side in enumerate(sides)
        }
        self._wide = dict(zip((True, False), wide, strict=True))  # by Side.inner: is this side's basis wanted
        self._sizes = sizes  # are the mean squares of x and g wanted
        lead, rank = layers[0].inner.weight, max(layer.rank for layer in layers)
        self._like: dict[str, Any] = {
            "device": lead.device,
            "dtype": torch.promote_types(lead.dtype, torch.float32),
        }
        shape = len(layers), rank, rank
        self.state: dict[str, Tensor] = {
            "factor_h": torch.zeros(shape, **self._like),
            "factor_e": torch.zeros(shape, **self._like),
            "size_x": torch.zeros(len(layers), **self._like),  # mean squares of the wide sides' elements
            "size_g": torch.zeros(len(layers), **self._like),
            "folds": torch.zeros(len(layers), **self._like),  # batches that went into the averages of a layer
            "tokens": torch.zeros(len(layers), dtype=torch.float64, device=lead.device),
            "targets": torch.zeros(len(layers), dtype=torch.float64, device=lead.device),
            "step_targets": torch.zeros((), **self._like),  # scored tokens of a step, all processes together
        }
        for width, sides in self.sides.items():
            size = min(wide_rank, width)
            self.state[f"basis.{width}"] = _start(len(sides), width, size).to(**self._like)
            self.state[f"values.{width}"] = torch.zeros(len(sides), size, **self._like)
        self._clear()

    @property
    def dtype(self) -> torch.dtype:
        """What is computed in."""
        dtype: torch.dtype = self._like["dtype"]
        return dtype

    def _clear(self) -> None:
        like = self.state["factor_h"]
        self._heard: set[int] = set()
        self._pending: dict[str, Tensor] = {
            "h": torch.zeros_like(like),
            "e": torch.zeros_like(like),
            "rows": torch.zeros(len(like), **self._like),
            "targets": torch.zeros(len(like), **self._like),
            "size_x": torch.zeros(len(like), **self._like),
            "size_g": torch.zeros(len(like), **self._like),
            "step_targets": torch.zeros((), **self._like),
        }
        for width, sides in self.sides.items():
            if any(self._wide[side.inner] for side in sides):
                self._pending[f"wide.{width}"] = torch.zeros_like(self.state[f"basis.{width}"])
                self._pending[f"wide_rows.{width}"] = torch.zeros(len(sides), **self._like)

    def hear_inner(
        self,
        number: int,
        inputs: Tensor,
        hidden: Tensor,
        gradient: Tensor,
        scale: float | Tensor,
        targets: float = 1.0,
        live: Tensor | None = None,
    ) -> None:
        """Take in x, h and e of one layer's backward pass, [rows, …] each; `scale` brings e to nats per token.

        `targets`: tokens of the pass that were scored. `live` [rows, 1]: rows that count; where it is not given, those
        with a gradient, which padding has not.
        """
        gradient = gradient.to(self.dtype) * scale
        live = live_rows(gradient) if live is None else live
        hidden = hidden.to(self.dtype) * live
        rank = hidden.shape[-1]
        count = live.sum()
        for name, rows in (("h", hidden), ("e", gradient)):
            self._pending[name][number, :rank, :rank] += (rows.T @ rows).to(self._like["device"])
        self._pending["rows"][number] += count
        self._pending["targets"][number] += targets
        self._heard.add(number)
        if self._sizes:
            self._pending["size_x"][number] += (inputs.to(self.dtype).square().mean(-1, keepdim=True) * live).sum()
        if self._wide[True]:
            self._hear_wide(number, True, inputs, live, count)

    def hear_outer(self, number: int, gradient: Tensor, scale: float | Tensor) -> None:
        """Take in g of one layer's backward pass, [rows, o]; `scale` brings it to nats per token.

        The basis is taken as it comes: only directions count there.
        """
        if self._sizes:
            self._pending["size_g"][number] += (gradient.to(self.dtype) * scale).square().mean(-1).sum()
        if self._wide[False]:
            live = live_rows(gradient)
            self._hear_wide(number, False, gradient, live, live.sum())

    def _hear_wide(self, number: int, inner: bool, rows: Tensor, live: Tensor, count: Tensor) -> None:
        width, place = self._place[number, inner]
        basis = self.state[f"basis.{width}"][place].to(rows.device)
        rows = rows.to(self.dtype)
        # masked where it is narrow: rows × k and not rows × d
        product = rows.T @ ((rows @ basis) * live)
        self._pending[f"wide.{width}"][place] += product.to(self._like["device"])
        self._pending[f"wide_rows.{width}"][place] += count

    def hear_targets(self, targets: float) -> None:
        """Count the scored tokens of one pass of a step that is measured, whether or not its curvature is taken in."""
        self._pending["step_targets"] += targets

    def heard(self, number: int) -> bool:
        """Whether something of this layer waits to be folded in."""
        return number in self._heard

    def fold(self) -> None:
        """Blend what was heard into the averages; layers without anything, or with a value not finite, stay."""
        _all_reduce(self._pending)
        rows, state = self._pending["rows"], self.state
        new = {name: self._pending[name] / rows.clamp_min(1)[:, None, None] for name in ("h", "e")}
        good = (rows > 0) & torch.isfinite(new["h"]).all((-1, -2)) & torch.isfinite(new["e"]).all((-1, -2))
        for name, value in new.items():
            old = state[f"factor_{name}"]
            state[f"factor_{name}"] = torch.where(good[:, None, None], old.lerp(value, 1 - self.decay), old)
        for name in ("size_x", "size_g"):
            fresh = self._pending[name] / rows.clamp_min(1)
            state[name] = torch.where(good, state[name].lerp(fresh, 1 - self.decay), state[name])
        state["folds"] += good
        if self._pending["step_targets"] > 0:
            kept = self._kept(state["folds"].max()) if state["step_targets"] > 0 else 0.0
            state["step_targets"] = state["step_targets"] * kept + self._pending["step_targets"] * (1 - kept)
        for name, amount in (("tokens", rows), ("targets", self._pending["targets"])):
            state[name] += torch.where(good, amount, 0.0).double()
        for width in self.sides:
            if f"wide.{width}" in self._pending:
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
        folds = self.state["folds"][[side.layer for side in self.sides[width]]]
        safe = torch.where(good[:, None, None], products, basis)
        decay = torch.where(first, 0.0, self._kept(folds)[:, None])[:, :, None]
        mixed, sizes = power_step(basis, values, safe, decay)
        self.state[f"basis.{width}"] = torch.where(good[:, None, None], mixed, basis)
        self.state[f"values.{width}"] = torch.where(good[:, None], sizes, values)

    def _kept(self, folds: Tensor) -> Tensor:
        """The share that an average keeps of what it was, so that the first batch weighs no more than the others.

        What a bias correction does to an average that begins with zeros, for one that begins with a batch.
        """
        folds = folds.clamp_min(1)
        return (self.decay - self.decay**folds) / (1 - self.decay**folds)

    def factors(self) -> tuple[Tensor, Tensor]:
        """C_h and C_e [layers, r, r], corrected for the zeros that the averages began with."""
        correction = (1 - self.decay ** self.state["folds"]).clamp_min(1e-12)[:, None, None]
        return self.state["factor_h"] / correction, self.state["factor_e"] / correction

    def sizes(self) -> tuple[Tensor, Tensor]:
        """Mean squares of the elements of x and of g [layers], corrected likewise; zeros if they are not wanted."""
        correction = (1 - self.decay ** self.state["folds"]).clamp_min(1e-12)
        return self.state["size_x"] / correction, self.state["size_g"] / correction

    def wide_basis(self, sides: Sequence[Side]) -> Tensor:
        """U of each of `sides`, which are of one width, [sides, width, k]."""
        return self._of("basis", sides)

    def wide_values(self, sides: Sequence[Side]) -> Tensor:
        """λ of each of `sides`, which are of one width, [sides, k]; zeros where nothing is known."""
        return self._of("values", sides)

    def _of(self, name: str, sides: Sequence[Side]) -> Tensor:
        places = [self._place[side.layer, side.inner] for side in sides]
        width = places[0][0]
        return self.state[f"{name}.{width}"][[place for _, place in places]]

    def rows_per_target(self) -> Tensor:
        """How many rows with a gradient come on one scored token, [layers]: what turns E over rows into nats."""
        return self.state["tokens"] / self.state["targets"].clamp_min(1)

    def turn(self, layer: int, matrix: Tensor) -> None:
        """The factors behind A ← R A, B ← B R⁻¹."""
        rank = matrix.shape[-1]
        for name, by in (("factor_h", matrix.double()), ("factor_e", torch.linalg.inv(matrix.double()).mT)):
            old = self.state[name][layer, :rank, :rank]
            old.copy_((by @ old.double() @ by.mT).to(old))

    def cut(self, layer: int, rank: int) -> None:
        """Forget all but the first `rank` directions of a layer."""
        for name in ("factor_h", "factor_e"):
            self.state[name][layer, rank:] = 0
            self.state[name][layer, :, rank:] = 0


def live_rows(gradient: Tensor) -> Tensor:
    """Which rows have a gradient, [rows, 1]; rounding next to zero (a first token's query, padding) is none."""
    size = gradient.abs().amax(-1, keepdim=True)
    return size > _NOTHING * size.max()


def _start(count: int, width: int, size: int) -> Tensor:
    """Random orthonormal columns, the same everywhere: where the power iteration begins."""
    drawn = torch.randn(count, width, size, generator=torch.Generator().manual_seed(width))
    return torch.linalg.qr(drawn)[0]


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
