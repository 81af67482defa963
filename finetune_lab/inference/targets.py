"""Logits only where a token is scored.

With completion-only loss most positions of a batch (prompts, padding) have no target, and the projection to the
vocabulary is the dearest layer of a small model. A pair of hooks hands the output layer the rows that count:
the loss, its scale and its gradient are those of the full computation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn

IGNORED = -100


class TargetLogits:
    """Hooks on a causal language model: with `labels` its logits are [1, num_targets, vocabulary], in row order."""

    def __init__(self, model: nn.Module) -> None:
        self._positions: dict[int, Tensor] = {}  # by thread: batches may be scored in several at once
        head = model.get_output_embeddings()  # type: ignore[operator]
        model.register_forward_pre_hook(self._before_model, with_kwargs=True)
        model.register_forward_hook(self._after_model, always_call=True)
        head.register_forward_pre_hook(self._before_head)

    @contextmanager
    def at(self, positions: Tensor) -> Iterator[None]:
        """Within, a forward pass of this thread without labels gives logits at these flat positions of the batch."""
        self._positions[get_ident()] = positions
        try:
            yield
        finally:
            self._positions.pop(get_ident(), None)

    def _before_model(self, model: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        labels = kwargs.get("labels")
        if labels is not None and kwargs.get("shift_labels") is None:
            # the target of a position is the token behind it; the last position has none
            shifted = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED).reshape(-1)
            positions = (shifted != IGNORED).nonzero().squeeze(1)  # flat indices into batch × length
            kwargs["shift_labels"] = shifted[positions][None]
            self._positions[get_ident()] = positions
        return args, kwargs

    def _before_head(self, head: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        positions = self._positions.get(get_ident())
        if positions is None:
            return None
        hidden = args[0]
        return (hidden.reshape(-1, hidden.shape[-1])[positions][None], *args[1:])

    def _after_model(self, *_: Any) -> None:
        self._positions.pop(get_ident(), None)
