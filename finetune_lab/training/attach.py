"""Adapters on and off a loaded model."""

from pathlib import Path
from typing import Any

from finetune_lab.errors import ConfigError


def attach(module: Any, config: Any) -> Any:
    """Put fresh adapters on `module` in place, in float32, and return the PEFT model.

    Raises ConfigError when a projection name matches no linear layer: trained on less than one believes is the
    kind of mistake that no loss curve shows.
    """
    from peft import get_peft_model

    last_parts = {name.rpartition(".")[2] for name, _ in module.named_modules()}
    absent = [name for name in config.target_modules if name not in last_parts]
    if absent:
        layers = sorted(
            {name.rpartition(".")[2] for name, layer in module.named_modules() if hasattr(layer, "in_features")}
        )
        raise ConfigError(
            f"model.projections: {', '.join(sorted(absent))} matches no layer of this model; "
            f"it has: {', '.join(layers)}"
        )
    return get_peft_model(module, config, autocast_adapter_dtype=True)


def save(adapter: Any, model: Any, folder: Path) -> None:
    """Write the adapter of `model` for the base as it was loaded; `adapter` says how where that takes more."""
    own = getattr(adapter, "save", None)
    if own is None:
        model.save_pretrained(str(folder), safe_serialization=True)
    else:
        own(model, folder)


def detach(adapter: Any, model: Any) -> None:
    """Take the adapters off again; `adapter` says how where that takes more than leaving them out."""
    own = getattr(adapter, "detach", None)
    if own is None:
        model.unload()
    else:
        own(model)
