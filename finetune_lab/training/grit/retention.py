"""What generic data is sensitive to, so that fine-tuning moves less there.

The factors come from the fine-tuning data, so nothing in them protects what the base knew. Here the wide sides of every
layer are measured once on generic batches: Σx ≈ U λ Uᵀ and Σg ≈ U λ Uᵀ. They do not depend on A and B, so that the
rank-side factors follow at any time, whatever became of A and B: C_h = A Σx Aᵀ, C_e = Bᵀ Σg B.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from finetune_lab.training.grit.layers import LoraLayer, Side
from finetune_lab.training.grit.statistics import Statistics, live_rows
from finetune_lab.training.grit.taps import Taps


@dataclass(frozen=True)
class Retention:
    """Generic wide sides of every layer, and how much they weigh beside the measured ones."""

    layers: Sequence[LoraLayer]
    statistics: Statistics
    weight: float

    @classmethod
    def measure(
        cls, model: nn.Module, layers: Sequence[LoraLayer], batches: Iterable[Any], *, weight: float, wide_rank: int
    ) -> "Retention":
        """One backward pass of the model's own loss on each batch, without dropout; gradients are cleared again."""
        statistics = Statistics(layers, wide_rank=wide_rank, wide=(True, True), decay=0.9)
        live: dict[int, Tensor] = {}  # by g, since e is zero as long as B is

        def hear_outer(number: int, gradient: Tensor) -> None:
            live[number] = live_rows(gradient)
            statistics.hear_outer(number, gradient, taps.scale)

        def hear_inner(number: int, inputs: Tensor, hidden: Tensor, gradient: Tensor) -> None:
            statistics.hear_inner(number, inputs, hidden, gradient, taps.scale, live=live.pop(number))

        taps = Taps(model, layers, hear_inner, hear_outer, count=lambda tokens: None)
        taps.open = lambda number: True
        was_training = model.training
        model.eval()
        for batch in batches:
            model(**batch).loss.backward()
            with torch.no_grad():
                statistics.fold()
        model.train(was_training)
        model.zero_grad()
        taps.remove()
        return cls(layers, statistics, weight)

    def factors(self, sides: Sequence[Side]) -> Tensor:
        """The generic rank-side factor of each of `sides` (C_e for A, C_h for B), [sides, r, r]; of one shape."""
        other = [Side(side.layer, not side.inner, self._width(side)) for side in sides]
        found = []
        for one, across in zip(sides, other, strict=True):
            layer = self.layers[one.layer]
            # A's rank side is e = Bᵀ g, B's is h = A x: the other matrix and its wide side
            matrix = layer.outer.weight.T if one.inner else layer.inner.weight
            root = matrix.detach().to(self.statistics.dtype) @ self.statistics.wide_basis([across])[0]
            found.append((root * self.statistics.wide_values([across])[0]) @ root.T)
        return torch.stack(found)

    def _width(self, side: Side) -> int:
        layer = self.layers[side.layer]
        return layer.outer.out_features if side.inner else layer.inner.in_features

    def added(self, own: Tensor, sides: Sequence[Side]) -> Tensor:
        """`own` [sides, r, r] with `weight` times the generic factors, brought to the same trace."""
        generic = self.factors(sides)
        sizes = [factor.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None] for factor in (own, generic)]
        tiny = torch.finfo(own.dtype).tiny
        return own + self.weight * generic * torch.where(sizes[1] > 0, sizes[0] / sizes[1].clamp_min(tiny), 0.0)

    def shares(self, sides: Sequence[Side], rank_basis: Tensor, wide_basis: Tensor) -> tuple[Tensor, Tensor]:
        """What to add to second moments in these bases, over their mean: for the rest [n, r, 1], inside [n, r, k].

        The generic Fisher's diagonal, rank side times wide side, each with mean 1; 1 for a side that is not known.
        """
        generic = self.factors(sides)
        rows = (rank_basis * (generic @ rank_basis)).sum(-2)  # diag(Uᵀ C U)
        mean = rows.mean(-1, keepdim=True)
        rows = torch.where(mean > 0, rows / mean.clamp_min(torch.finfo(rows.dtype).tiny), 1.0)[:, :, None]
        values, width = self.statistics.wide_values(sides), sides[0].width
        inside = ((wide_basis.mT @ self.statistics.wide_basis(sides)).square() @ values[:, :, None])[:, :, 0]
        total = values.sum(-1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
        rest = (total - inside.sum(-1, keepdim=True)).clamp_min(0) / max(1, width - wide_basis.shape[-1])
        scale = self.weight * width / total
        return rows * (rest * scale)[:, None, :], rows * (inside * scale)[:, None, :]
