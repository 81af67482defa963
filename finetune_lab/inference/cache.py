"""Keys and values of a text that grows, in memory that is kept ready for it.

Transformers' cache grows by concatenation: every token of every text copies all that was there before, and with many
rows or long prompts that is most of the work. Here a layer has room for the tokens to come, and a token is written into
it; what the model sees is the filled part.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


def roomy_cache(module: Any, room: int) -> DynamicCache | None:
    """An empty cache for `module.generate` with room for `room` tokens; None for a model that wants one of its own.

    Layers of another kind (sliding windows, states) stay as Transformers makes them.
    """
    supported = getattr(module, "_supports_default_dynamic_cache", None)
    if supported is None or not supported():
        return None
    cache = DynamicCache(config=module.config)
    cache.layers = [RoomyLayer(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class RoomyLayer(DynamicLayer):
    """A growing layer whose `keys` and `values` [rows, heads, length, width] are the filled part of larger ones."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._whole: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write what is new behind what is there; the filled part of both."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        stop = start + key_states.shape[-2]
        assert self.keys is not None
        assert self.values is not None
        if not self._fits(self.keys, start, stop):
            self._whole = self._empty(key_states, stop), self._empty(value_states, stop)
            if start:
                self._whole[0][:, :, :start], self._whole[1][:, :, :start] = self.keys, self.values
        assert self._whole is not None
        keys, values = self._whole
        keys[:, :, start:stop], values[:, :, start:stop] = key_states, value_states
        self.keys, self.values = keys[:, :, :stop], values[:, :, :stop]
        return self.keys, self.values

    def _fits(self, kept: Tensor, start: int, stop: int) -> bool:
        """Whether the room is there, and holds what was last seen of it: rows may have been exchanged."""
        if self._whole is None or stop > self._whole[0].shape[-2]:
            return False
        return not start or kept.data_ptr() == self._whole[0].data_ptr()

    def _empty(self, new: Tensor, stop: int) -> Tensor:
        """The room that was asked for; where that was too little, half as much again as is needed."""
        rows, heads, _, width = new.shape
        length = self._room if stop <= self._room else stop + stop // 2
        return torch.empty((rows, heads, length, width), dtype=new.dtype, device=new.device)
