"""The shape of a model without its weights: which matrices it has, and how wide it is. Loads no PyTorch."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

_LARGEST_HEADER_BYTES = 100_000_000  # what the format itself allows
_NUMBERS = {"float32": 4, "F32": 4}  # bytes; everything else that is stored plainly has two
_FUSED_ATTENTION, _FUSED_MLP = "qkv_proj", "gate_up_proj"


@dataclass(frozen=True, kw_only=True)
class Linear:
    """One kind of matrix: the last part of its name, its sizes, and how many layers have one.

    Those that `reads` the same share one input (queries, keys and values do).
    """

    name: str
    inputs: int
    outputs: int
    count: int
    reads: str

    @property
    def num_weights(self) -> int:
        return self.inputs * self.outputs * self.count


@dataclass(frozen=True, kw_only=True)
class Shape:
    """`linears` are the matrices inside the layers; `num_other` everything else (embeddings, head, norms, biases).

    `queries` and `keys` are the widths of attention's queries and of its keys, all heads together; `stored_bytes` of a
    number on disk. `origin`: weights (the headers of their files), config (config.json), or size (a typical model of
    so many parameters).
    """

    linears: tuple[Linear, ...]
    num_other: int
    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    queries: int
    keys: int
    stored_bytes: int
    origin: Literal["weights", "config", "size"]

    @property
    def num_linear(self) -> int:
        """Numbers in the matrices of the layers: what quantisation makes small."""
        return sum(one.num_weights for one in self.linears)

    @property
    def num_parameters(self) -> int:
        return self.num_linear + self.num_other

    def named(self, names: Sequence[str]) -> tuple[Linear, ...]:
        """The matrices that adapters go to."""
        return tuple(one for one in self.linears if one.name in names)


def shape_of(folder: Path | None, projections: Sequence[str], num_billions: float | None = None) -> Shape | None:
    """The shape of a model in a folder in Hugging Face's form, or of a typical one of so many 10^9 parameters.

    None where neither tells enough. Counts come from the weights' own headers where they are there.
    """
    config = _config(folder) if folder else None
    if config is None:
        return typical_shape(num_billions, projections) if num_billions else None
    assert folder is not None
    shape = shape_of_config(config, projections)
    stored = _stored(folder)
    return _counted(shape, stored) if stored else shape


def shape_of_config(config: Mapping[str, Any], projections: Sequence[str]) -> Shape:
    """What config.json says of a model of Llama's build: grouped queries, gated MLP, fused where `projections` are."""
    hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    heads = int(config.get("num_attention_heads") or 1)
    head = int(config.get("head_dim") or hidden // heads)
    queries, keys = heads * head, int(config.get("num_key_value_heads") or heads) * head
    wide, vocabulary = int(config.get("intermediate_size") or 4 * hidden), int(config["vocab_size"])
    copies = 1 if config.get("tie_word_embeddings", False) else 2
    return Shape(
        linears=_linears(hidden, wide, queries, keys, layers, projections),
        num_other=copies * vocabulary * hidden + (2 * layers + 1) * hidden,
        vocabulary=vocabulary,
        hidden=hidden,
        intermediate=wide,
        layers=layers,
        queries=queries,
        keys=keys,
        stored_bytes=_NUMBERS.get(str(config.get("dtype") or config.get("torch_dtype")), 2),
        origin="config",
    )


def typical_shape(num_billions: float, projections: Sequence[str]) -> Shape:
    """A model of Llama 3's proportions with so many 10^9 parameters: only its sums can be trusted."""
    total, vocabulary = 1e9 * num_billions, 128_256
    hidden = max(512, 128 * round(32 * (num_billions / 8) ** 0.35))
    wide, keys, copies = 3.5 * hidden, hidden / 4, 2 if num_billions > 4 else 1
    layer = 2 * hidden**2 + 2 * hidden * keys + 3 * hidden * wide
    layers = max(1, round((total - copies * vocabulary * hidden) / layer))
    linears = _linears(hidden, int(wide), hidden, int(keys), layers, projections)
    named = sum(one.num_weights for one in linears)
    return Shape(
        linears=linears,
        num_other=max(0, int(total) - named),
        vocabulary=vocabulary,
        hidden=hidden,
        intermediate=int(wide),
        layers=layers,
        queries=hidden,
        keys=int(keys),
        stored_bytes=2,
        origin="size",
    )


def _linears(
    hidden: int, wide: int, queries: int, keys: int, layers: int, projections: Sequence[str]
) -> tuple[Linear, ...]:
    attention = {"q_proj": (hidden, queries), "k_proj": (hidden, keys), "v_proj": (hidden, keys)}
    mlp = {"gate_proj": (hidden, wide), "up_proj": (hidden, wide)}
    if _FUSED_ATTENTION in projections:
        attention = {_FUSED_ATTENTION: (hidden, queries + 2 * keys)}
    if _FUSED_MLP in projections:
        mlp = {_FUSED_MLP: (hidden, 2 * wide)}
    kinds = {
        "before attention": attention,
        "behind attention": {"o_proj": (queries, hidden)},
        "before the MLP": mlp,
        "inside the MLP": {"down_proj": (wide, hidden)},
    }
    return tuple(
        Linear(name=name, inputs=i, outputs=o, count=layers, reads=reads)
        for reads, sizes in kinds.items()
        for name, (i, o) in sizes.items()
    )


def _config(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    inner = found.get("text_config") if isinstance(found, dict) else None  # of a model that also sees
    config = inner if isinstance(inner, dict) else found
    needed = ("hidden_size", "num_hidden_layers", "vocab_size")
    return config if isinstance(config, dict) and all(isinstance(config.get(name), int) for name in needed) else None


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    sizes: tuple[int, ...]
    dtype: str


def _stored(folder: Path) -> dict[str, _Tensor]:
    """Every stored tensor by its name, by the files' headers; empty where they cannot be read or are packed."""
    found: dict[str, _Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            header = _header(path)
        except (OSError, ValueError):
            return {}
        for name, entry in header.items():
            if name != "__metadata__":
                if not str(entry["dtype"]).startswith(("F", "BF")):
                    return {}
                found[name] = _Tensor(sizes=tuple(entry["shape"]), dtype=str(entry["dtype"]))
    return found


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        if size > _LARGEST_HEADER_BYTES:
            raise ValueError(f"{path} has a header of {size} bytes")
        header = json.loads(stream.read(size))
    if not isinstance(header, dict):
        raise ValueError(f"{path} has no header")
    return header


def _counted(shape: Shape, stored: Mapping[str, _Tensor]) -> Shape:
    """The same with matrices and sums as the files have them."""
    kinds: Counter[tuple[str, int, int]] = Counter()
    for name, tensor in stored.items():
        parts, sizes = name.split("."), tensor.sizes
        in_a_layer = any(part.isdigit() for part in parts)
        if in_a_layer and len(sizes) == 2 and parts[-1] == "weight":
            kinds[parts[-2], sizes[1], sizes[0]] += 1
    reads = {one.name: one.reads for one in shape.linears}
    linears = tuple(
        Linear(name=n, inputs=i, outputs=o, count=count, reads=reads.get(n, n)) for (n, i, o), count in kinds.items()
    )
    if not linears:
        return shape
    total = sum(math.prod(tensor.sizes) for tensor in stored.values())
    widest = max(_NUMBERS.get(tensor.dtype, 2) for tensor in stored.values())
    rest = total - sum(one.num_weights for one in linears)
    return replace(shape, linears=linears, num_other=rest, stored_bytes=widest, origin="weights")
