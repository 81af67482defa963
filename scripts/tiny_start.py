"""The starting weights of `tiny`: random, but two heads begin with the work that copying needs.

A model this small and trained this briefly does not find by itself how to copy from its context. So one head of layer 0
starts as a head that looks at the previous token, and two heads of layer 1 start as heads that look for the place where
the present token stood before, and copy what followed it: induction heads (Olsson et al. 2022, "In-context Learning and
Induction Heads"). All weights, these too, are trained. To start attention from a structure that trained models show is
the idea of Trockman and Kolter 2023, "Mimetic Initialization of Self-Attention Layers".

Names: `common` is a direction that all embeddings share; `read` takes a part of a token's embedding; `write` is where
layer 0 puts that part of the previous token; `copied` is the part that layer 1 copies.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

#: Length of a row that makes a head's choice nearly sure.
SHARPNESS = 2.4
WRITE_PREVIOUS, WRITE_COPY = 0.06, 0.2
#: The quick pairs of the rotary embedding tell neighbours apart, the slow ones bear a match over a distance.
NUM_QUICK_PAIRS, FIRST_SLOW_PAIR = 8, 17


def orthonormal_rows(num_rows: int, width: int, generator: torch.Generator) -> Tensor:
    """Random orthonormal rows, shape (num_rows, width)."""
    return torch.linalg.qr(torch.randn(width, width, generator=generator))[0][:num_rows]


@torch.no_grad()
def set_starting_weights(model: LlamaForCausalLM, generator: torch.Generator) -> None:
    """Overwrites what the description above says; branches without a work of their own begin by adding nothing."""
    config = model.config
    width, head = config.hidden_size, config.head_dim
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    common = orthonormal_rows(1, width, generator)[0]
    embedding = model.model.embed_tokens.weight
    # as long as the rest of an embedding; it moves all logits alike, so it changes no prediction
    embedding += common * config.initializer_range * width**0.5
    read, write = orthonormal_rows(head, width, generator), orthonormal_rows(head, width, generator)
    _start_previous_token_head(model, common, read, write)
    _start_induction_heads(model, read, write, orthonormal_rows(2 * head, width, generator))


def _start_previous_token_head(model: LlamaForCausalLM, common: Tensor, read: Tensor, write: Tensor) -> None:
    """Head 0 of layer 0: its scores depend on the distance alone and are highest at distance one."""
    attention, head = model.model.layers[0].self_attn, model.config.head_dim
    angles = model.model.rotary_emb.inv_freq[:NUM_QUICK_PAIRS]
    query, key = torch.zeros(head), torch.zeros(head)
    key[:NUM_QUICK_PAIRS] = NUM_QUICK_PAIRS**-0.5
    # the query is the key turned back by one position
    query[:NUM_QUICK_PAIRS] = angles.cos() * NUM_QUICK_PAIRS**-0.5
    query[head // 2 : head // 2 + NUM_QUICK_PAIRS] = -angles.sin() * NUM_QUICK_PAIRS**-0.5
    attention.q_proj.weight[:head] = SHARPNESS * torch.outer(query, common)
    attention.k_proj.weight[:head] = SHARPNESS * torch.outer(key, common)
    attention.v_proj.weight[:head] = read
    attention.o_proj.weight[:, :head] = WRITE_PREVIOUS * write.T


def _start_induction_heads(model: LlamaForCausalLM, read: Tensor, write: Tensor, copied: Tensor) -> None:
    """Heads 0 and 2 of layer 1, one for each pair of keys and values: other parts of a token, the same work."""
    attention, head = model.model.layers[1].self_attn, model.config.head_dim
    per_key = model.config.num_attention_heads // model.config.num_key_value_heads
    slow = torch.arange(FIRST_SLOW_PAIR, head // 2)
    slow = torch.cat([slow, slow + head // 2])
    for index in range(model.config.num_key_value_heads):
        parts = torch.arange(index * len(slow), (index + 1) * len(slow))
        query, key = torch.zeros(head, read.shape[1]), torch.zeros(head, read.shape[1])
        query[slow], key[slow] = SHARPNESS * read[parts], SHARPNESS * write[parts]
        values = slice(index * head, (index + 1) * head)
        queries = slice(index * per_key * head, (index * per_key + 1) * head)
        attention.q_proj.weight[queries] = query
        attention.k_proj.weight[values] = key
        attention.v_proj.weight[values] = copied[values]
        attention.o_proj.weight[:, queries] = WRITE_COPY * copied[values].T
