"""Sampling that does not depend on the batch: every row draws from a generator of its own."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from finetune_lab.records import Decoding


class RowSampler:
    """A logits processor that turns greedy decoding into sampling by adding Gumbel noise, row by row.

    argmax(logits + Gumbel noise) is a draw from softmax(logits) (Gumbel 1954), so greedy decoding behind it samples.
    The noise of a row depends on the seed and the row's name alone: neither batching nor resuming changes a text.
    """

    def __init__(self, decoding: Decoding, names: Sequence[str], device: str) -> None:
        from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

        self._warpers: list[Any] = [TemperatureLogitsWarper(decoding.temperature)]
        if decoding.top_k > 0:
            self._warpers.append(TopKLogitsWarper(decoding.top_k))
        if decoding.top_p < 1:
            self._warpers.append(TopPLogitsWarper(decoding.top_p))
        self._generators = [_generator(decoding.seed, name) for name in names]
        self._device = device

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [rows, vocabulary] in, perturbed scores of the same shape out."""
        for warp in self._warpers:
            scores = warp(input_ids, scores)
        draws = [torch.rand(scores.shape[-1], generator=g, dtype=torch.float64) for g in self._generators]
        uniform = torch.stack(draws).clamp_(1e-20, 1 - 1e-16).to(self._device)
        return (scores.double() - torch.log(-torch.log(uniform))).to(torch.float32)


def _generator(seed: int, name: str) -> torch.Generator:
    digest = sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))
