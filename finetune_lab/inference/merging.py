"""An adapter worked into the weights below it: in float32, over the base as it is computed with, not as it is stored.

A quantised base is dequantised first. Merging into the 4-bit weights and rounding again would round most of what was
learned away, and merging into the weights from before the quantisation would make a model that nobody has scored.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from finetune_lab.inference.engine import Engine


def merged(engine: Engine, adapter: Path) -> Any:
    """A float32 model on the CPU with the adapter in its weights. `engine` is bare and stays as it is."""
    from peft import PeftModel

    tuned = PeftModel.from_pretrained(plain_copy(engine), str(adapter), is_trainable=False)
    module = tuned.merge_and_unload(safe_merge=True)  # raises for weights that are not finite
    module.eval()
    return module


def plain_copy(engine: Engine) -> Any:
    """The model in float32 on the CPU, quantised weights as what they stand for; bare of any adapter."""
    source = engine.module
    config = deepcopy(source.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    weights = {name: weight for layer, part in source.named_modules() for name, weight in _own(layer, part)}
    plain = type(source).from_pretrained(None, config=config, state_dict=weights, dtype=torch.float32)
    plain.generation_config = deepcopy(source.generation_config)
    plain.generation_config.eos_token_id = sorted(engine.ends())
    return plain


def _own(place: str, layer: nn.Module) -> list[tuple[str, Tensor]]:
    """The parameters of a layer itself, dequantised; those of the layers inside it are theirs to tell."""
    from transformers.integrations.bitsandbytes import dequantize_bnb_weight

    found = []
    for name, weight in layer.named_parameters(recurse=False):
        plain = dequantize_bnb_weight(weight, getattr(layer, "state", None))
        found.append((f"{place}.{name}" if place else name, plain.detach().float().cpu()))
    return found
