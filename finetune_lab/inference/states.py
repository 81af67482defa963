"""Pooled hidden states in a file: written while the prompts pass, read one layer at a time.

The file is a safetensors file: `layer_000` (the embeddings), `layer_001`, …, each [prompts, width] in float32 and in
the order of the prompts, so that any tool reads it. What is held in memory while it is written does not depend on the
number of prompts: one batch's states of one layer, and the pooled states of 64 prompts.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune_lab.errors import DataError
from finetune_lab.inference.hidden import POOLS, Pool, mean_token
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
    references = _mean_states(model, prompts) if pooling == "attention" else None
    later = attention(references) if references is not None else POOLS[pooling]

    def pool(layer: int, states: Tensor, mask: Tensor) -> Tensor:
        return mean_token(layer, states, mask) if layer == 0 else later(layer, states, mask)

    place = {name: number for number, name in enumerate(prompts)}
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w+b") as stream:
        start = 0
        for names, states in _chunks(model, prompts, pool):
            start = start or _write_header(stream, (states.shape[1], len(prompts), states.shape[2]), pooling, about)
            _write_rows(stream, start, len(prompts), [place[name] for name in names], states)
    partial.replace(path)


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
    total, num = None, 0
    for names, states in _chunks(model, prompts, mean_token):
        summed = states.double().sum(0)
        total, num = summed if total is None else total + summed, num + len(names)
    assert total is not None
    return (total / num).float()


def _chunks(model: LanguageModel, prompts: Prompts, pool: Pool) -> Iterator[tuple[list[str], Tensor]]:
    """Names and states of 64 prompts at a time, from long prompts to short ones, so that a batch holds its likes."""
    length = {name: sum(len(turn["content"]) for turn in turns) for name, turns in prompts.items()}
    order = sorted(prompts, key=lambda name: -length[name])
    for start in range(0, len(order), ROWS_AT_ONCE):
        names = order[start : start + ROWS_AT_ONCE]
        yield names, model.hidden({name: prompts[name] for name in names}, pool)


def _write_header(stream: BinaryIO, shape: tuple[int, int, int], pooling: str, about: Any) -> int:
    """Write the safetensors header of [layers, prompts, width]; return where the numbers start."""
    num_layers, num, width = shape
    size = 4 * num * width
    header: dict[str, Any] = {"__metadata__": {"pooling": pooling, "about": json.dumps(about)}}
    for layer in range(num_layers):
        offsets = [layer * size, (layer + 1) * size]
        header[_name(layer)] = {"dtype": "F32", "shape": [num, width], "data_offsets": offsets}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    stream.write(len(text).to_bytes(8, "little") + text)
    stream.truncate(8 + len(text) + num_layers * size)
    return 8 + len(text)


def _write_rows(stream: BinaryIO, start: int, num: int, rows: Sequence[int], states: Tensor) -> None:
    numbers = np.ascontiguousarray(states.transpose(0, 1).numpy(), dtype="<f4")  # [layers, rows, width]
    width = numbers.shape[2]
    for layer, of_layer in enumerate(numbers):
        for row, state in zip(rows, of_layer, strict=True):
            stream.seek(start + 4 * width * (layer * num + row))
            stream.write(state.tobytes())


def _name(layer: int) -> str:
    return f"layer_{layer:03d}"


@dataclass(frozen=True, kw_only=True)
class States:
    """A file of pooled states: `layer(n)` reads one layer, [prompts, width] in float64."""

    path: Path
    num_layers: int  # with the embeddings
    pooling: str
    about: Any
    read: Callable[[str], NDArray[np.float32]]

    def layer(self, number: int) -> NDArray[np.float64]:
        return self.read(_name(number)).astype(np.float64)


def read_states(path: Path) -> States:
    """Open what `write_states` wrote. Raises DataError for a file that is missing, torn or of another kind."""
    from safetensors import SafetensorError, safe_open

    def read(name: str) -> NDArray[np.float32]:
        with safe_open(path, framework="np") as opened:
            found: NDArray[np.float32] = opened.get_tensor(name)
            return found

    try:
        with safe_open(path, framework="np") as opened:
            metadata, names = opened.metadata() or {}, list(opened.keys())
        return States(
            path=path,
            num_layers=len(names),
            pooling=metadata["pooling"],
            about=json.loads(metadata["about"]),
            read=read,
        )
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"{path}: no file of pooled states ({error})") from error
