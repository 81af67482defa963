"""The LoRA layers of a PEFT model, and the refusals: what GRIT cannot be right on, it does not touch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Stack = dict[str, Tensor]  # what is remembered of all matrices of one shape: tensors [matrices, …]


class UnsupportedModelError(ValueError):
    """The model has adapters that the method is not defined for; the message says which and what to do."""


@dataclass(frozen=True, eq=False)
class LoraLayer:
    """One adapted linear layer: h = A x with `inner` (A), B h with `outer`; both stand in PEFT's layer `tuner`."""

    name: str
    inner: nn.Linear
    outer: nn.Linear
    tuner: Any
    adapter: str
    config: Any

    @property
    def rank(self) -> int:
        return int(self.inner.weight.shape[0])

    @property
    def scaling(self) -> float:
        """S in s·B A x."""
        return float(self.tuner.scaling[self.adapter])

    def resize(self, inner: Tensor, outer: Tensor) -> None:
        """Put matrices of another rank in place; s stays, and the exported config says which rank and alpha.

        The parameters stay the same objects: optimizers, schedulers and trainers that hold them see the new size.
        """
        rank = inner.shape[0]
        for weight, value in ((self.inner.weight, inner), (self.outer.weight, outer)):
            value = value.to(weight.data).contiguous()
            weight.grad = None
            # another type in between makes autograd forget the old size, which a graph still alive would keep
            weight.data = value.to(torch.float64 if value.dtype != torch.float64 else torch.float32)
            weight.data = value
        self.inner.out_features = self.outer.in_features = rank
        alpha = self.scaling * (math.sqrt(rank) if self.config.use_rslora else rank)
        self.tuner.r[self.adapter], self.tuner.lora_alpha[self.adapter] = rank, alpha
        place = self.name.removeprefix("base_model.model.")
        self.config.rank_pattern[place], self.config.alpha_pattern[place] = rank, alpha


def lora_layers(model: nn.Module) -> list[LoraLayer]:
    """The trainable LoRA layers of `model` in the order of its modules.

    Raises UnsupportedModelError for no LoRA at all, DoRA, several active adapters, target_parameters, adapted
    embeddings or convolutions, and sharded weights.
    """
    configs: Any = getattr(model, "peft_config", {})
    for name, config in configs.items():
        if getattr(config, "target_parameters", None):
            raise UnsupportedModelError(
                f"adapter {name} has target_parameters: its inputs do not pass through lora_A; name target_modules"
            )
    found = [layer for name, module in model.named_modules() if (layer := _layer(name, module, configs)) is not None]
    if not found:
        raise UnsupportedModelError("no trainable LoRA layer in this model: attach one with peft.get_peft_model first")
    refuse_sharded(found)
    return found


def refuse_sharded(layers: Sequence[LoraLayer]) -> None:
    """Raise UnsupportedModelError where a matrix is not whole on this process; asked again when training starts."""
    for layer in layers:
        for part in (layer.inner.weight, layer.outer.weight):
            if part.dim() != 2 or part.numel() == 0 or hasattr(part, "ds_id") or hasattr(part, "placements"):
                raise UnsupportedModelError(
                    f"{layer.name}: its adapter is sharded over processes (FSDP, ZeRO-3, tensor parallelism), and "
                    "rank-space curvature needs whole matrices; use data parallelism"
                )
    devices = sorted({str(layer.inner.weight.device) for layer in layers})
    if len(devices) > 1:
        raise UnsupportedModelError(
            f"adapters on {', '.join(devices)}: matrices of one shape are updated together, on one device; "
            "use one device for each process"
        )


def _layer(name: str, module: Any, configs: Any) -> LoraLayer | None:
    inner: Any = getattr(module, "lora_A", None)
    outer: Any = getattr(module, "lora_B", None)
    if not isinstance(inner, nn.ModuleDict) or not len(inner):
        return None
    active = [adapter for adapter in module.active_adapters if adapter in inner]
    if len(active) > 1:
        raise UnsupportedModelError(f"{name}: several active adapters ({', '.join(active)}); activate one")
    if not active or not inner[active[0]].weight.requires_grad:
        return None
    if any(dict(getattr(module, "use_dora", {})).values()):
        raise UnsupportedModelError(f"{name}: DoRA divides by a norm that these statistics do not see; take LoRA")
    pair: tuple[Any, Any] = inner[active[0]], outer[active[0]]
    if not all(isinstance(part, nn.Linear) for part in pair):
        raise UnsupportedModelError(f"{name}: {type(pair[0]).__name__} adapters are not supported, linear ones are")
    return LoraLayer(name, *pair, tuner=module, adapter=active[0], config=configs.get(active[0]))


def follow_loaded_ranks(layer: LoraLayer) -> Any:
    """Let `layer` take weights of any rank from a state dict: a checkpoint may be from before or after a cut.

    Returns the hook's handle.
    """

    def fit(_module: Any, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
        given = state_dict.get(f"{prefix}weight")
        if given is None or given.shape[0] == layer.rank:
            return
        inner, outer = layer.inner.weight, layer.outer.weight
        shapes = (given.shape[0], inner.shape[1]), (outer.shape[0], given.shape[0])
        layer.resize(*(torch.zeros(shape, dtype=inner.dtype, device=inner.device) for shape in shapes))

    return layer.inner.register_load_state_dict_pre_hook(fit)


@dataclass(frozen=True)
class Side:
    """One trainable matrix, seen as rank × wide: A as it is (rank side e, wide side x), B transposed (h and g)."""

    layer: int
    inner: bool
    width: int


def sides_of(layers: Sequence[LoraLayer]) -> dict[int, list[Side]]:
    """All sides by their width."""
    found: dict[int, list[Side]] = {}
    for number, layer in enumerate(layers):
        found.setdefault(layer.inner.in_features, []).append(Side(number, True, layer.inner.in_features))
        found.setdefault(layer.outer.out_features, []).append(Side(number, False, layer.outer.out_features))
    return found


def stacks_of(layers: Sequence[LoraLayer]) -> dict[str, list[Side]]:
    """All sides by rank and width (`16x256`): what is updated in one batched operation."""
    found: dict[str, list[Side]] = {}
    for width, sides in sides_of(layers).items():
        for side in sides:
            found.setdefault(f"{layers[side.layer].rank}x{width}", []).append(side)
    return found


def by_rank(layers: Sequence[LoraLayer]) -> dict[int, list[int]]:
    """The numbers of the layers of each rank."""
    found: dict[int, list[int]] = {}
    for number, layer in enumerate(layers):
        found.setdefault(layer.rank, []).append(number)
    return found
