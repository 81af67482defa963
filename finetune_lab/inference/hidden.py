"""Hidden states of every layer in one forward pass, pooled on the way: one batch's states of one layer at a time."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

Pool = Callable[[int, Tensor, Tensor], Tensor]  # (layer, states [rows, length, width], mask) -> [rows, width]


def last_token(layer: int, states: Tensor, mask: Tensor) -> Tensor:
    """The state of each row's last token; rows are padded on the right."""
    return states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]


def mean_token(layer: int, states: Tensor, mask: Tensor) -> Tensor:
    """The mean over each row's tokens."""
    weights = mask.to(states.dtype)[:, :, None]
    return (states * weights).sum(1) / weights.sum(1)


POOLS: dict[str, Pool] = {"last": last_token, "mean": mean_token}


@torch.no_grad()
def pooled_states(module: Any, rows: Sequence[Sequence[int]], device: str, pool: Pool) -> Tensor:
    """One batch: float32 states [rows, 1 + layers, width] on the CPU; layer 0 are the embeddings.

    The last layer is taken behind the final norm, as Transformers' own `hidden_states` are. Padding stands on the
    right, where no token of a causal model looks: the mask is for the pooling alone.
    """
    width = max(len(row) for row in rows)
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    ids, mask = ids.to(device), mask.to(device)
    decoder = module.get_decoder()
    found: list[Tensor] = []

    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        states = output[0] if isinstance(output, tuple) else output
        found.append(pool(len(found), states, mask).float().cpu())

    with ExitStack() as stack:
        for layer in (module.get_input_embeddings(), *decoder.layers[:-1], decoder.norm):
            stack.callback(layer.register_forward_hook(keep).remove)
        decoder(input_ids=ids, use_cache=False)
    return torch.stack(found, dim=1)
