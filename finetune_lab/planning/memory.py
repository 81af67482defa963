"""The memory of a training by part, from shapes alone. The formulas stand with their reasons in docs/planning.md.

Letters: T tokens of one forward pass, padding with them; V vocabulary, d hidden, f intermediate width; c bytes of the
precision that is computed in. Parts are bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from finetune_lab.planning.outline import FLOAT, Load, Pair
from finetune_lab.planning.shape import Linear, Shape

PRECISION_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# 4-bit codes, an 8-bit scale for every 64 of them, a float32 for every 256 scales (Dettmers et al. 2023, 2305.14314)
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
_LOSS_COPIES = 3  # log-probabilities, their gradient and the gradient of the logits, all float32, at one moment
_SCORING_COPIES = 2  # logits and log-probabilities
_INDEX_BYTES = 8
# Tokenizer, settings, and what libraries touch of themselves at the first step, in a process' resident memory: measured
# on the embedded model, whose own share is small (docs/planning.md). On a GPU all of it is the host's.
_PROGRAM_BYTES = {"cpu": 50_000_000, "cuda": 0, "mps": 0}
STORED = "files as stored"  # of which the system can forget pages, so that they never stand in the way
_COUNTED = ("weights", "adapter", "optimizer state", "gradients")


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Everything that the memory of a training depends on. Lengths in tokens, `rows` of one forward pass.

    `dropout` is its probability. On a processor adapters are computed in float32 beside any base and dropout keeps
    the places it drops; on CUDA they are computed in the base's precision and it keeps a mask.
    """

    shape: Shape
    quantization: Literal["nf4", "int8", "none"]
    precision: str
    device: Literal["cpu", "cuda", "mps"]
    pairs: tuple[Pair, ...]
    load: Load
    dropout: float
    rows: int
    length: int
    accumulation: int
    evaluation_rows: int
    evaluation_length: int
    checkpointing: bool

    @property
    def num_trainable(self) -> int:
        return sum(pair.num_trainable for pair in self.pairs)

    @property
    def precision_bytes(self) -> int:
        return PRECISION_BYTES[self.precision]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes by part in every moment of a training; the peak is the largest moment's."""

    moments: Mapping[str, Mapping[str, int]]

    @property
    def moment(self) -> str:
        """When most is needed."""
        return max(self.moments, key=self.at)

    @property
    def parts(self) -> Mapping[str, int]:
        """What is there at that moment."""
        return self.moments[self.moment]

    @property
    def total(self) -> int:
        return self.at(self.moment)

    def at(self, moment: str) -> int:
        """All parts of a moment together."""
        return sum(self.moments[moment].values())

    def least(self, tolerance: float) -> int:
        """The peak if everything that is reckoned, and not counted, were too high by this factor."""
        return max(
            sum(size if name in _COUNTED else round(size / tolerance) for name, size in parts.items() if name != STORED)
            for parts in self.moments.values()
        )


def foresee(one: Situation) -> Memory:
    """The parts of memory in each moment of a training; the total is the largest moment's."""
    weights, adapter = weight_bytes(one), adapter_bytes(one)
    resident = {"weights": weights, "adapter": adapter, "optimizer state": one.load.state_bytes}
    gradients = {"gradients": one.load.gradient_bytes}
    tokens = one.rows * one.length
    kept, layer = remembered_bytes(one), round(layer_bytes(one) * tokens)
    logits = _LOSS_COPIES * FLOAT * one.shape.vocabulary * tokens
    program = {"program": _PROGRAM_BYTES[one.device], STORED: mapped_bytes(one)}
    workspace = program | {"workspace": workspace_bytes(one)}
    held = gradients if one.accumulation > 1 else {}
    # a processor's heap gives back little of what lay below its top, while logits are mapped anew beside it
    freed = {"freed activations": kept} if one.device == "cpu" else {}
    again = layer if one.checkpointing else 0  # a layer's activations come back while its gradient is made
    moments: dict[str, dict[str, int]] = {
        "loading": {"weights": weights} | workspace | {STORED: read_bytes(one)},
        "loss": resident | held | {"activations": kept, "logits and loss": logits} | workspace,
        "backward": resident | gradients | {"activations": kept + again + backward_bytes(one)} | workspace,
        "step": resident | gradients | workspace | {"workspace": workspace["workspace"] + one.load.step_bytes},
        "evaluation": resident | freed | {"logits and loss": evaluation_bytes(one)} | workspace,
    }
    return Memory(moments=moments)


def weight_bytes(one: Situation) -> int:
    """The base model as it lies in memory: only the matrices of its layers are quantised."""
    rest = one.shape.num_other * one.precision_bytes
    return round(rest + sum(_stored_bytes(linear, one) for linear in one.shape.linears))


def adapter_bytes(one: Situation) -> int:
    """Trainable numbers in float32, and what they keep aside of the base in its own precision."""
    copied = sum(pair.num_copied * pair.linear.count for pair in one.pairs)
    return FLOAT * one.num_trainable + one.precision_bytes * copied


def _stored_bytes(linear: Linear, one: Situation) -> float:
    if one.quantization == "nf4":
        return _NF4_BYTES * linear.num_weights
    if one.quantization == "int8":
        return linear.num_weights + FLOAT * linear.outputs * linear.count  # a scale for every row
    return float(one.precision_bytes * linear.num_weights)


def layer_bytes(one: Situation) -> float:
    """What one layer keeps for its backward pass, for each token."""
    shape, c = one.shape, one.precision_bytes
    norms = 2 * FLOAT * shape.hidden  # the input of each, in float32
    attention = c * (2 * shape.queries + 2 * shape.keys)  # queries, keys, values, and what comes out
    mlp = 3 * c * shape.intermediate  # the gate before and after its activation, and what it multiplies
    return norms + attention + mlp + _adapter_bytes(one) / max(1, shape.layers)


def _adapter_bytes(one: Situation) -> float:
    """What all adapters keep for each token: the input of A, the input of B, and what dropout must know."""
    cuda = one.device == "cuda"
    c = one.precision_bytes if cuda else FLOAT
    shared = not any(pair.dropout for pair in one.pairs) and one.precision_bytes == FLOAT
    inputs = _distinct_inputs(one) if shared else sum(pair.linear.inputs * pair.linear.count for pair in one.pairs)
    masked = sum(pair.linear.inputs * pair.linear.count for pair in one.pairs if pair.dropout)
    inputs *= one.load.learns_inner
    hidden = sum(pair.rank * pair.linear.count for pair in one.pairs)
    outputs = sum(pair.remembered_outputs * pair.linear.outputs * pair.linear.count for pair in one.pairs)
    mask = 1.0 if cuda else _INDEX_BYTES * one.dropout
    return c * (inputs + hidden) + mask * masked + one.precision_bytes * outputs


def _distinct_inputs(one: Situation) -> int:
    """Widths of all inputs, each once for the matrices that share it."""
    widths = {pair.linear.reads: pair.linear.inputs * pair.linear.count for pair in one.pairs}
    return sum(widths.values())


def remembered_bytes(one: Situation) -> int:
    """What is kept from the forward pass until the loss: all activations, or only the input of every layer."""
    tokens, shape = one.rows * one.length, one.shape
    last = FLOAT * shape.hidden
    if one.checkpointing:
        return tokens * (shape.layers * shape.hidden * one.precision_bytes + last)
    return round(tokens * (shape.layers * layer_bytes(one) + last))


def backward_bytes(one: Situation) -> int:
    """Gradients inside the MLP of one layer while they are made, and the widest matrix as plain numbers."""
    tokens, c = one.rows * one.length, one.precision_bytes
    return tokens * c * (4 * one.shape.intermediate + 2 * one.shape.hidden) + workspace_bytes(one)


def workspace_bytes(one: Situation) -> int:
    """A quantised matrix is computed with as plain numbers, one at a time."""
    if one.quantization == "none":
        return 0
    return one.precision_bytes * max((linear.inputs * linear.outputs for linear in one.shape.linears), default=0)


def read_bytes(one: Situation) -> int:
    """Pages of the weights' files that a processor maps while it loads, beside what it makes of them."""
    if one.device != "cpu" or (one.quantization == "none" and _taken_as_stored(one)):
        return 0
    return one.shape.stored_bytes * one.shape.num_parameters


def mapped_bytes(one: Situation) -> int:
    """What stays mapped: where some weights are used as they are stored, their file stays, with all that was read."""
    if one.device != "cpu" or one.quantization == "none" or not _taken_as_stored(one):
        return 0
    return one.shape.stored_bytes * one.shape.num_linear


def _taken_as_stored(one: Situation) -> bool:
    return one.precision_bytes == one.shape.stored_bytes


def evaluation_bytes(one: Situation) -> int:
    """Logits and their log-probabilities for the longest validation rows, and the widest layer in passing."""
    tokens, c = one.evaluation_rows * one.evaluation_length, one.precision_bytes
    lower = c if c < FLOAT else 0  # the logits as they were computed
    passing = c * (3 * one.shape.intermediate + 2 * one.shape.hidden)
    return tokens * max(one.shape.vocabulary * (_SCORING_COPIES * FLOAT + lower), passing)


def longest_first(parts: Mapping[str, int]) -> Sequence[tuple[str, int]]:
    """Parts, the largest first."""
    return sorted(parts.items(), key=lambda entry: -entry[1])
