"""A small Llama with LoRA, rows that can be learned, and a plain training loop."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

NAMES = ["q_proj", "v_proj", "down_proj"]


def make_model(**lora: Any) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    settings = {"r": 4, "lora_alpha": 8, "target_modules": NAMES, "task_type": "CAUSAL_LM"}
    return get_peft_model(LlamaForCausalLM(config), LoraConfig(**{**settings, **lora})).train()


def started(model: Any, seed: int = 1) -> Any:
    """`model` with a B that is not zero, as after some training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.05 * torch.randn(weight.shape, generator=generator))
    return model


def rows(step: int, count: int = 4) -> dict[str, torch.Tensor]:
    ids = torch.randint(0, 64, (count, 24), generator=torch.Generator().manual_seed(step))
    ids[:, 12:] = ids[:, :12]  # something to learn: the second half repeats the first
    return {"input_ids": ids, "labels": ids}


def train(model: Any, optimizer: Any, steps: range, given: Any = rows) -> list[float]:
    losses = []
    for step in steps:
        loss = model(**given(step)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def trained(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def skewed(model: Any, largest: float = 1e3) -> Any:
    """The same function with A → R A, B → B R⁻¹, R = diag(1 … largest)."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(getattr(module, "lora_A", None), torch.nn.ModuleDict) and len(module.lora_A):
                inner, outer = module.lora_A["default"].weight, module.lora_B["default"].weight
                scale = torch.logspace(0, torch.log10(torch.tensor(largest)).item(), inner.shape[0], dtype=inner.dtype)
                inner.mul_(scale[:, None])
                outer.div_(scale)
    return model


def changes(model: Any) -> list[torch.Tensor]:
    """s·B A of every layer."""
    return [
        module.scaling["default"] * (module.lora_B["default"].weight @ module.lora_A["default"].weight).detach()
        for module in model.modules()
        if isinstance(getattr(module, "lora_A", None), torch.nn.ModuleDict) and len(module.lora_A)
    ]


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """The functions above, for every test of this folder."""
    return SimpleNamespace(
        make_model=make_model,
        started=started,
        rows=rows,
        train=train,
        trained=trained,
        skewed=skewed,
        changes=changes,
    )
