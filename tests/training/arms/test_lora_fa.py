"""LoRA-FA: A stays as it began, B learns."""

from collections.abc import Callable
from typing import Any

from safetensors.torch import load_file


def test_only_b_learns(train: Callable[..., Any]) -> None:
    few = ["method=lora_fa", "method.max_steps=4", "method.evaluate_every=2"]
    done = train(*few, "method.optimizer.learning_rate=5e-3")
    still = train(*few, "method.optimizer.learning_rate=1e-12", folder="still")
    weights, began = (load_file(one.folder / "adapter" / "adapter_model.safetensors") for one in (done, still))
    for name, weight in weights.items():
        moved = float((weight - began[name]).abs().max())
        assert (moved > 1e-4) == ("lora_B" in name), name
    losses = done.curve("train/loss")
    assert losses[-1] < losses[0]
