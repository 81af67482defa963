"""Retention: generic data is measured once, leaves no trace in gradients or in the task's factors, and damps."""

from typing import Any

import pytest
import torch

from finetune_lab.training.grit import create_grit_optimizer
from finetune_lab.training.grit.layers import Side

MEASURE: dict[str, Any] = {"burn_in_tokens": 50, "collect_every": 1, "refresh_every": 1, "wide_rank": 8}


def test_measuring_leaves_no_trace(small: Any) -> None:
    model = small.make_model()
    optimizer = create_grit_optimizer(model, 1e-3, **MEASURE)
    optimizer.retain([small.rows(70), small.rows(71)], 0.5)
    assert model.training
    assert all(weight.grad is None for weight in model.parameters())
    assert float(optimizer._statistics.state["tokens"].max()) == 0


def test_generic_factors_follow_a_and_b(small: Any) -> None:
    """C_h = A Σx Aᵀ and C_e = Bᵀ Σg B on the layer's first eigenvectors, also for a B that came later."""
    model = small.make_model()
    optimizer = create_grit_optimizer(model, 1e-3, **(MEASURE | {"wide_rank": 32}))
    given = small.rows(70)
    optimizer.retain([given] * 12, 0.5)
    small.started(model)
    retention = optimizer._rule.retention
    seen: list[torch.Tensor] = []
    layer = optimizer._layers[0]
    handle = layer.inner.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0].detach().flatten(0, 1)))
    model.eval()
    model(**given)
    handle.remove()
    hidden = seen[0][[place for place in range(96) if place % 24 not in (0, 23)]] @ layer.inner.weight.T
    expected = (hidden.T @ hidden / len(hidden)).detach()
    found = retention.factors([Side(0, False, 32)])[0]
    assert float((found - expected).norm() / expected.norm()) < 0.1
    assert float(retention.factors([Side(0, True, 32)]).norm()) > 0


@pytest.mark.parametrize("mode", ["ekfac", "precondition", "natural"])
def test_a_heavier_weight_moves_the_base_less_on_generic_rows(small: Any, mode: str) -> None:
    def moved(weight: float) -> float:
        model = small.started(small.make_model())
        before = logits(model, small.rows(70))
        optimizer = create_grit_optimizer(model, 3e-3, mode=mode, relative_damping=0.1, **MEASURE)
        if weight:
            optimizer.retain([small.rows(70)] * 4, weight)
        small.train(model, optimizer, range(12))
        return float((logits(model, small.rows(70)) - before).norm())

    free, held = moved(0.0), moved(30.0)
    assert held != free
    if mode == "ekfac":  # the others are scaled anew: only their directions change
        assert held < free


def logits(model: Any, given: Any) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=given["input_ids"]).logits
    model.train()
    return found
