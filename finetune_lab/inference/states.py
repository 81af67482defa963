"""Hidden states of many prompts in all layers: one forward pass, pooled on the way, straight into a file.

What is held in memory does not depend on the number of prompts: one batch's states of one layer, and the pooled states
of 64 prompts.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from finetune_lab.inference.hidden import POOLS, Pool, mean_token
from finetune_lab.inference.state_file import writing
from finetune_lab.protocols import LanguageModel
from finetune_lab.records import Message

Pooling = Literal["last", "mean", "attention"]
Prompts = Mapping[str, Sequence[Message]]
ROWS_AT_ONCE = 64


def write_states(model: LanguageModel, prompts: Prompts, path: Path, *, pooling: Pooling, about: Any) -> None:
    """Pool the states of every prompt in every layer into `path`; `about` (plain JSON) is kept with them.

    Layer 0 is pooled by the mean whatever `pooling` says: the last token of a prompt is the template's, and its
    embedding the same in all of them. `attention` passes over the prompts twice, the first time for its references.
    """
    pool = pool_of(pooling, _mean_states(model, prompts) if pooling == "attention" else None)
    place = {name: number for number, name in enumerate(prompts)}
    with writing(path, len(prompts), pooling=pooling, about=about) as file:
        for names, states in _chunks(model, prompts, pool):
            file.write([place[name] for name in names], states.numpy())


def pool_of(pooling: Pooling, references: Tensor | None = None) -> Pool:
    """The pooling of all layers; attention needs its `references` [1 + layers, width]."""
    later = attention(references) if references is not None else POOLS[pooling]

    def pool(layer: int, states: Tensor, mask: Tensor) -> Tensor:
        return mean_token(layer, states, mask) if layer == 0 else later(layer, states, mask)

    return pool


def attention(references: Tensor) -> Pool:
    """Pool by how much a token's state points where `references` [1 + layers, width] do, and not by any label.

    Weights softmax over the prompt's tokens of √width · cos(state, reference), the scaled dot product of unit vectors
    (Vaswani et al., 2017, §3.2.1): a few dimensions of huge size, which many models have, do not rule it.
    """

    def pool(layer: int, states: Tensor, mask: Tensor) -> Tensor:
        whole, vector = states.float(), references[layer].to(states.device)
        alike = torch.nn.functional.cosine_similarity(whole, vector[None, None], dim=-1)
        weights = (math.sqrt(whole.shape[-1]) * alike).masked_fill(mask == 0, -math.inf).softmax(dim=1)
        return (weights[:, :, None] * whole).sum(1)

    return pool


def _mean_states(model: LanguageModel, prompts: Prompts) -> Tensor:
    """The mean over all prompts of their mean states: [1 + layers, width]."""
    total = None
    for _, states in _chunks(model, prompts, mean_token):
        summed = states.double().sum(0)
        total = summed if total is None else total + summed
    assert total is not None
    return (total / len(prompts)).float()


def _chunks(model: LanguageModel, prompts: Prompts, pool: Pool) -> Iterator[tuple[list[str], Tensor]]:
    """Names and states of 64 prompts at a time, from long prompts to short ones, so that a batch holds its likes."""
    length = {name: sum(len(turn["content"]) for turn in turns) for name, turns in prompts.items()}
    order = sorted(prompts, key=lambda name: -length[name])
    for start in range(0, len(order), ROWS_AT_ONCE):
        names = order[start : start + ROWS_AT_ONCE]
        yield names, model.hidden({name: prompts[name] for name in names}, pool)
