"""Pooled hidden states in a file: written while the prompts pass, read one layer at a time.

The file is a safetensors file: `layer_000` (the embeddings), `layer_001`, …, each [prompts, width] in float32 and in
the order of the prompts, so that any tool reads it. Numbers go to their places as they come, and one layer is read at
a time: what is held in memory is never the file.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from finetune_lab.errors import DataError

EMBEDDINGS = "embeddings.safetensors"  # the name of the file in an evaluation's folder


class Writer:
    """Writes rows of [layers, prompts, width] in any order; the header follows from the first of them."""

    def __init__(self, stream: BinaryIO, num: int, *, pooling: str, about: Any) -> None:
        self._stream, self._num, self._start = stream, num, 0
        self._metadata = {"pooling": pooling, "about": json.dumps(about)}

    def write(self, rows: Sequence[int], states: NDArray[np.float32]) -> None:
        """Put `states` (k, layers, width) at `rows`."""
        num_layers, width = states.shape[1:]
        if not self._start:
            self._start = self._write_header(num_layers, width)
        for row, of_row in zip(rows, np.ascontiguousarray(states, dtype="<f4"), strict=True):
            for layer, state in enumerate(of_row):
                self._stream.seek(self._start + 4 * width * (layer * self._num + row))
                self._stream.write(state.tobytes())

    def _write_header(self, num_layers: int, width: int) -> int:
        """Write the safetensors header; return where the numbers start."""
        size = 4 * self._num * width
        header: dict[str, Any] = {"__metadata__": self._metadata}
        for layer in range(num_layers):
            offsets = [layer * size, (layer + 1) * size]
            header[_name(layer)] = {"dtype": "F32", "shape": [self._num, width], "data_offsets": offsets}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self._stream.write(len(text).to_bytes(8, "little") + text)
        self._stream.truncate(8 + len(text) + num_layers * size)
        return 8 + len(text)


@contextmanager
def writing(path: Path, num: int, *, pooling: str, about: Any) -> Iterator[Writer]:
    """Write a file of `num` prompts that is either whole or not there; `about` (plain JSON) is kept with it."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w+b") as stream:
        yield Writer(stream, num, pooling=pooling, about=about)
    partial.replace(path)


def _name(layer: int) -> str:
    return f"layer_{layer:03d}"


@dataclass(frozen=True, kw_only=True)
class States:
    """A file of pooled states; `num_layers` counts the embeddings too."""

    path: Path
    num_layers: int
    width: int
    pooling: str
    about: Any

    def layer(self, number: int) -> NDArray[np.float64]:
        """One layer, [prompts, width]."""
        from safetensors import safe_open

        with safe_open(self.path, framework="np") as opened:
            found: NDArray[np.float32] = opened.get_tensor(_name(number))
        return found.astype(np.float64)


def read_states(path: Path) -> States:
    """Open a file of states. Raises DataError for one that is missing, torn or of another kind."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            metadata, names = opened.metadata() or {}, list(opened.keys())
            width = opened.get_slice(_name(0)).get_shape()[1]
        return States(
            path=path,
            num_layers=len(names),
            width=width,
            pooling=metadata["pooling"],
            about=json.loads(metadata["about"]),
        )
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"{path}: no file of pooled states ({error})") from error
