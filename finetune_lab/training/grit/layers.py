"""The LoRA layers of a PEFT model, and the refusals: what GRIT cannot be right on, it does not touch."""

from dataclasses import dataclass
from typing import Any

from torch import nn


class UnsupportedModelError(ValueError):
    """The model has adapters that the method is not defined for; the message says which and what to do."""


@dataclass(frozen=True, eq=False)
class LoraLayer:
    """One adapted linear layer: h = A x with `inner` (A), B h with `outer`."""

    name: str
    inner: nn.Linear
    outer: nn.Linear

    @property
    def rank(self) -> int:
        return self.inner.out_features


def lora_layers(model: nn.Module) -> list[LoraLayer]:
    """The trainable LoRA layers of `model` in the order of its modules.

    Raises UnsupportedModelError for no LoRA at all, DoRA, several active adapters, adapted embeddings or
    convolutions, sharded weights, and layers of different rank.
    """
    layers = [layer for name, module in model.named_modules() if (layer := _layer(name, module)) is not None]
    if not layers:
        raise UnsupportedModelError("no trainable LoRA layer in this model: attach one with peft.get_peft_model first")
    ranks = sorted({layer.rank for layer in layers})
    if len(ranks) > 1:
        raise UnsupportedModelError(f"layers of ranks {ranks}: GRIT works on one rank (leave out rank_pattern)")
    return layers


def _layer(name: str, module: Any) -> LoraLayer | None:
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
    if any(part.weight.numel() == 0 or hasattr(part.weight, "ds_id") for part in pair):
        raise UnsupportedModelError(f"{name}: its weights are sharded (FSDP, ZeRO-3); use data parallelism")
    return LoraLayer(name, *pair)
