"""Listening to a backward pass: h, x, e and g of every LoRA layer, on the steps where they are wanted.

An identity in the graph behind A and one behind B. It keeps what the linear layers keep anyway (A its input, B its
input h), so no memory is added, and it acts in the backward pass, which happens once with either kind of activation
checkpointing. Padding has no gradient: rows with e = 0 do not count.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from finetune_lab.training.grit.layers import LoraLayer

Hear = Callable[..., None]
Count = Callable[[float], None]


class _Inner(torch.autograd.Function):
    """Identity on h that hands (x, h, e) on when e comes back."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, inputs: Tensor, hear: Hear) -> Tensor:
        ctx.save_for_backward(hidden, inputs)
        ctx.hear = hear
        return hidden.view_as(hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        hidden, inputs = ctx.saved_tensors
        ctx.hear(*(part.detach().reshape(-1, part.shape[-1]) for part in (inputs, hidden, gradients[0])))
        return gradients[0], None, None


class _Outer(torch.autograd.Function):
    """Identity on B h that hands g on when it comes back."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, hear: Hear) -> Tensor:
        ctx.hear = hear
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.hear(gradients[0].detach().reshape(-1, gradients[0].shape[-1]))
        return gradients[0], None


class Taps:
    """Hooks on `layers` that call `hear_inner(number, x, h, e)` and `hear_outer(number, g)` while `open` says so, and
    `count(tokens)` with the scored tokens of each forward pass, 0 where the call has no labels.

    `scale` brings e of the running backward pass to nats per token: the number of target tokens that the model's loss
    was divided by, over what that loss was multiplied by afterwards (shares of an accumulation, a loss scale, the
    number of processes), which is the gradient that arrives at it. Without labels in the call, or with a loss that
    is made outside the model, it is 1 and the unit is whatever that loss has.
    """

    def __init__(
        self, model: nn.Module, layers: Sequence[LoraLayer], hear_inner: Hear, hear_outer: Hear, count: Count
    ) -> None:
        self.open: Callable[[int], bool] = lambda number: False
        self.targets = 1.0  # scored tokens of the latest forward pass
        self.scale: float | Tensor = 1.0
        self._divisor = 1.0
        self._tell = count
        self._handles = [
            model.register_forward_pre_hook(self._count, with_kwargs=True),
            model.register_forward_hook(self._watch_loss),
        ]
        for number, layer in enumerate(layers):
            self._handles.append(layer.inner.register_forward_hook(self._inner_hook(number, hear_inner)))
            self._handles.append(layer.outer.register_forward_hook(self._outer_hook(number, hear_outer)))

    def remove(self) -> None:
        """Take all hooks off."""
        for handle in self._handles:
            handle.remove()

    def _count(self, _model: nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        if not (torch.is_grad_enabled() and self.open(-1)):
            return
        given, labels = kwargs.get("num_items_in_batch"), kwargs.get("labels")
        self.targets = 1.0 if labels is None else float((labels[:, 1:] != -100).sum().clamp_min(1))
        self._divisor = self.targets if given is None else float(given)
        self.scale = self._divisor
        self._tell(0.0 if labels is None else self.targets)

    def _watch_loss(self, _model: nn.Module, _args: Any, output: Any) -> None:
        loss = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
        if isinstance(loss, Tensor) and loss.requires_grad and self.open(-1):
            divisor = self._divisor

            def heard(gradient: Tensor) -> None:
                self.scale = divisor / gradient.detach().abs().float().clamp_min(1e-30)

            loss.register_hook(heard)

    def _inner_hook(self, number: int, hear: Hear) -> Callable[..., Tensor | None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if not (torch.is_grad_enabled() and output.requires_grad and self.open(number)):
                return None
            return _Inner.apply(output, inputs[0], lambda *parts: hear(number, *parts))

        return hook

    def _outer_hook(self, number: int, hear: Hear) -> Callable[..., Tensor | None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if not (torch.is_grad_enabled() and output.requires_grad and self.open(number)):
                return None
            return _Outer.apply(output, lambda gradient: hear(number, gradient))

        return hook
