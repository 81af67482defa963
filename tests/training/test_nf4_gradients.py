"""Gradients through 4-bit weights are right, and still right after an evaluation in the middle of a training.

bitsandbytes 0.50 repacks the weights in the first forward pass without gradients on CPUs with AVX512-BF16, and every
backward pass after it is silently wrong. Loading switches that off; here it would show if it came back.
"""

from collections.abc import Callable
from typing import Any

import bitsandbytes
import pytest
import torch
from peft import LoraConfig, get_peft_model

from finetune_lab.records import Sample
from finetune_lab.training.rows import collate


@pytest.fixture
def adapted(tiny_engine: Callable[[str], Any]) -> Any:
    """The 4-bit model with adapters that are not zero, and a batch; the model is given back bare."""
    engine = tiny_engine("nf4")
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(engine.module, LoraConfig(r=4, target_modules=targets))
    torch.manual_seed(0)
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.05)
    rows = [engine.chat.document(Sample.of(text=f"{n} lamps stand in the yard of the mill.")) for n in range(4)]
    yield engine, model, collate(rows)
    model.unload()
    engine.module.requires_grad_(False)
    engine.module.eval()


def gradients(model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    model.train()
    model.zero_grad()
    model(**batch).loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad}


def test_an_evaluation_in_between_changes_no_gradient(adapted: Any) -> None:
    engine, model, batch = adapted
    before = gradients(model, batch)
    assert all(float(gradient.abs().max()) > 0 for gradient in before.values())
    model.eval()
    rows = [engine.chat.document(Sample.of(text="The mill is old."))]
    engine.nll(rows)
    with torch.no_grad():
        model(**batch)
    after = gradients(model, batch)
    assert before.keys() == after.keys()
    for name, gradient in before.items():
        assert torch.equal(after[name], gradient), name


def test_gradients_are_those_of_the_same_weights_in_full_precision(adapted: Any) -> None:
    _, model, batch = adapted
    found, originals = gradients(model, batch), []
    for layer in list(model.modules()):
        for name, child in list(layer.named_children()):
            if isinstance(child, bitsandbytes.nn.Linear4bit):
                weight = bitsandbytes.functional.dequantize_4bit(child.weight.data, child.weight.quant_state)
                plain = torch.nn.Linear(child.in_features, child.out_features, bias=False)
                plain.weight = torch.nn.Parameter(weight.float(), requires_grad=False)
                setattr(layer, name, plain)
                originals.append((layer, name, child))
    try:
        expected = gradients(model, batch)
    finally:
        for layer, name, child in originals:
            setattr(layer, name, child)
    assert len(originals) == 21
    for name, gradient in expected.items():
        error = float((found[name] - gradient).norm() / gradient.norm())
        assert error < 1e-4, f"{name}: {error}"


def test_every_layer_is_loaded_without_the_repacking(tiny_engine: Callable[[str], Any]) -> None:
    layers = [m for m in tiny_engine("nf4").module.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert len(layers) == 21
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)
