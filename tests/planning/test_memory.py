"""The parts of memory that arithmetic tells are those that PyTorch holds."""

import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from finetune_lab.planning.memory import Situation, foresee, remembered_bytes, weight_bytes
from finetune_lab.planning.outline import load_of, pairs_of
from finetune_lab.training.attach import detach
from finetune_lab.training.dropout import quicken

ROWS, LENGTH = 2, 96


def situation(lab: Any, **changes: Any) -> Situation:
    shape = lab.model.shape()
    pairs = pairs_of(lab.method.adapter, shape.linears, lab.model.projections)
    known: dict[str, Any] = {
        "shape": shape,
        "quantization": lab.model.quantization,
        "precision": "float32",
        "device": "cpu",
        "pairs": pairs,
        "load": load_of(lab.method.optimizer, pairs),
        "dropout": lab.method.adapter.dropout,
        "rows": ROWS,
        "length": LENGTH,
        "accumulation": 1,
        "evaluation_rows": 8,
        "evaluation_length": LENGTH,
        "checkpointing": False,
    }
    return Situation(**known | changes)


@pytest.fixture
def attached(tiny_engine, lab) -> Iterator[Any]:
    """Adapters of a line on the embedded model: `attached("method=dora")` gives (lab, PEFT model)."""
    on: list[tuple[Any, Any]] = []

    def put(*overrides: str) -> tuple[Any, Any]:
        made = lab("runtime.device=cpu", *overrides)
        engine = tiny_engine(made.model.quantization)
        model = made.method.adapter.attach(engine.module, made.model.projections)
        quicken(model)
        model.train()
        on.append((made.method.adapter, model))
        return made, model

    yield put
    for adapter, model in on:
        detach(adapter, model)
        model.get_base_model().eval()


class Kept:
    """A tensor that a graph holds on to; gone when the graph is."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


def remembered(model: nn.Module) -> int:
    """Bytes of all storages that wait for the backward pass once the loss is there, without the model's own."""
    own = {part.untyped_storage().data_ptr() for part in [*model.parameters(), *model.buffers()]}
    held: weakref.WeakSet[Kept] = weakref.WeakSet()

    def keep(tensor: torch.Tensor) -> Kept:
        kept = Kept(tensor)
        held.add(kept)
        return kept

    drawn = torch.randint(0, 2048, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept.tensor):
        loss = model(input_ids=drawn, labels=drawn).loss
    storages = {s.data_ptr(): s.nbytes() for s in (kept.tensor.untyped_storage() for kept in held)}
    assert loss.requires_grad
    return sum(size for place, size in storages.items() if place not in own)


@pytest.mark.parametrize(
    "line",
    [
        ("method=lora", "model.quantization=none"),
        ("method=lora", "model.quantization=none", "method.adapter.dropout=0"),
        ("method=qlora",),
        ("method=qlora", "method.adapter.rank=64"),
        ("method=dora", "model.quantization=none"),
        ("method=lora", "model.quantization=none", "method.adapter.projections=[q_proj,v_proj]"),
    ],
    ids=" ".join,
)
def test_activations_are_what_autograd_keeps(line, attached):
    made, model = attached(*line)
    one = situation(made)
    assert one.num_trainable == sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    log_probabilities = 4 * one.shape.vocabulary * ROWS * LENGTH
    assert remembered_bytes(one) + log_probabilities == pytest.approx(remembered(model), rel=0.1)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_weights_are_what_the_loaded_model_holds(quantization, lab, tiny_engine):
    module = tiny_engine(quantization).module
    held = sum(part.untyped_storage().nbytes() for part in module.parameters())
    for layer in module.modules():
        state = getattr(getattr(layer, "weight", None), "quant_state", None)
        if state is not None:
            held += state.absmax.nbytes + state.state2.absmax.nbytes
    one = situation(lab("method=lora", f"model.quantization={quantization}"))
    assert weight_bytes(one) == pytest.approx(held, rel=0.02)


@pytest.mark.parametrize("name", ["adamw", "lora_plus", "riemannian", "lora_fa", "grit"])
def test_an_optimizer_holds_what_it_says(name, attached):
    made, model = attached("method=lora", "model.quantization=none", f"optimizer@method.optimizer={name}")
    optimizer = made.method.optimizer.make(model)
    drawn = torch.randint(0, 2048, (2, 16), generator=torch.Generator().manual_seed(0))
    model(input_ids=drawn, labels=drawn).loss.backward()
    gradients = sum(weight.grad.nbytes for weight in model.parameters() if weight.grad is not None)
    optimizer.step()
    load = situation(made).load
    assert load.gradient_bytes == gradients
    assert load.state_bytes == pytest.approx(_held(optimizer), rel=0.05)
    assert load.learns_inner == any(".lora_A." in n for n, w in model.named_parameters() if w.requires_grad)
    getattr(getattr(optimizer, "_taps", None), "remove", lambda: None)()


def _held(optimizer: Any) -> int:
    """Bytes of every tensor that an optimizer remembers, with those that only collect until the next step."""
    found: dict[int, int] = {}

    def look(node: Any) -> None:
        if isinstance(node, torch.Tensor):
            found[node.untyped_storage().data_ptr()] = node.untyped_storage().nbytes()
        elif isinstance(node, dict):
            for value in node.values():
                look(value)
        elif isinstance(node, list | tuple):
            for value in node:
                look(value)

    look({key: dict(value) for key, value in optimizer.state.items()})
    known = optimizer.state_dict()
    look(known.get("curvature", {}))
    statistics = getattr(optimizer, "_statistics", None)
    look(statistics._pending if statistics is not None else {})
    return sum(found.values())


def test_the_total_is_the_largest_moment_and_each_knob_moves_it_the_right_way(lab):
    one = situation(lab("method=lora"), rows=8, length=512, evaluation_length=512, precision="bfloat16", device="cuda")
    whole = foresee(one)
    assert whole.total == max(map(whole.at, whole.moments)) == sum(whole.parts.values())
    assert whole.parts["weights"] < whole.least(1.25) < whole.total == whole.least(1)
    assert foresee(replace(one, rows=4)).total < whole.total
    assert foresee(replace(one, quantization="nf4")).total < foresee(replace(one, quantization="none")).total
    assert foresee(replace(one, checkpointing=True)).total < whole.total
    assert foresee(replace(one, accumulation=2)).total > whole.total
    assert foresee(replace(one, evaluation_length=8192)).moment == "evaluation"
