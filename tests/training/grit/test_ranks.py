"""A falling rank: everything shrinks, the function stays where nothing was lost, and plain PEFT loads what is saved."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from finetune_lab.training.grit import create_grit_optimizer

MEASURE: dict[str, Any] = {"burn_in_tokens": 50, "collect_every": 1, "refresh_every": 1, "collect": "all"}
SHRINK = {**MEASURE, "reproject_every": 1, "floor": 1}


def logits(model: Any, given: Any) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=given["input_ids"]).logits
    model.train()
    return found


def low_rank(small: Any, kept: int = 2) -> Any:
    """A model whose adapters have `kept` directions that matter, hidden by a rotation, and others near zero."""
    model = small.started(small.make_model(r=6, lora_alpha=12))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight[:, kept:] *= 1e-5
                turn = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(3)))[0]
                weight.copy_(weight @ turn)
                inner = model.get_parameter(name.replace("lora_B", "lora_A"))
                inner.copy_(turn.T @ inner)
    return model


def test_what_carries_nothing_goes_and_the_logits_stay(small: Any) -> None:
    model = low_rank(small)
    before, bytes_before = logits(model, small.rows(3)), sum(w.numel() for w in small.trained(model).values())
    optimizer = create_grit_optimizer(model, 0.0, share=0.9999, **SHRINK)
    small.train(model, optimizer, range(1))
    assert {layer.rank for layer in optimizer._layers} <= {1, 2, 3}
    assert float((logits(model, small.rows(3)) - before).abs().max()) < 1e-3
    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    assert sum(weight.numel() for weight in parameters) < 0.6 * bytes_before
    held = {key: {name: value.shape for name, value in stack.items()} for key, stack in optimizer._stacks.items()}
    for key, shapes in held.items():
        rank, width = map(int, key.split("x"))
        assert shapes["first"][1:] == shapes["second"][1:] == (rank, width)
    small.train(model, optimizer, range(1))  # and it goes on
    model(**small.rows(5)).loss.backward()
    assert all(weight.grad.shape == weight.shape for weight in parameters)


def test_plain_peft_loads_the_export_with_equal_logits(small: Any, tmp_path: Path) -> None:
    model = low_rank(small)
    optimizer = create_grit_optimizer(model, 1e-3, share=0.999, **SHRINK)
    small.train(model, optimizer, range(3))
    assert any(layer.rank < 6 for layer in optimizer._layers)
    expected = logits(model, small.rows(3))
    model.save_pretrained(tmp_path)
    stored = sum(value.numel() for value in load_file(tmp_path / "adapter_model.safetensors").values())
    assert stored == sum(weight.numel() for weight in small.trained(model).values())
    fresh = PeftModel.from_pretrained(small.make_model().unload(), tmp_path)
    assert torch.equal(logits(fresh, small.rows(3)), expected)


@pytest.mark.parametrize("mode", ["ekfac", "precondition", "natural"])
def test_a_cut_keeps_what_was_remembered_of_the_directions_kept(small: Any, mode: str) -> None:
    """With a share of 1 nothing is cut; one direction less is the same memory without its last rows."""
    found = []
    for share in (1.0, 0.9999):
        model = low_rank(small, kept=6) if share == 1.0 else low_rank(small)
        optimizer = create_grit_optimizer(model, 1e-4, mode=mode, **(SHRINK | {"share": share, "shrink_after": 3}))
        small.train(model, optimizer, range(4))
        found.append({layer.rank for layer in optimizer._layers})
        assert all(torch.isfinite(weight).all() for weight in small.trained(model).values())
    assert found[0] == {6}
    assert min(found[1]) < 6


def test_a_resumed_run_with_a_fallen_rank_is_the_same_run(small: Any) -> None:
    options = {**SHRINK, "share": 0.9, "reproject_every": 3}
    whole = small.started(small.make_model())
    small.train(whole, create_grit_optimizer(whole, 1e-3, **options), range(8))
    first = small.started(small.make_model())
    optimizer = create_grit_optimizer(first, 1e-3, **options)
    small.train(first, optimizer, range(5))
    assert any(layer.rank < 4 for layer in optimizer._layers)
    second = small.make_model()
    resumed = create_grit_optimizer(second, 1e-3, **options)
    with pytest.raises(ValueError, match="load the adapter's weights first"):
        resumed.load_state_dict(optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(optimizer.state_dict())
    small.train(second, resumed, range(5, 8))
    for name, weight in small.trained(whole).items():
        assert torch.equal(weight, small.trained(second)[name]), name
    assert whole.peft_config["default"].rank_pattern == second.peft_config["default"].rank_pattern


def test_a_budget_is_not_spent_twice(small: Any) -> None:
    model = small.started(small.make_model())
    optimizer = create_grit_optimizer(model, 0.0, budget_nats=1e-4, **SHRINK)
    small.train(model, optimizer, range(4))
    assert 0 < optimizer._progress["spent_nats"] <= 1e-4


def test_the_loss_rises_by_what_was_foretold(small: Any) -> None:
    """½ Σσ² of what goes, in nats per target token, against the loss itself: an approximation of the right size."""
    model = small.started(small.make_model())
    with torch.no_grad():
        before = float(model(**small.rows(0)).loss)
    optimizer = create_grit_optimizer(model, 0.0, share=0.7, **SHRINK)
    small.train(model, optimizer, range(1))
    with torch.no_grad():
        after = float(model(**small.rows(0)).loss)
    foretold = optimizer._progress["spent_nats"]
    assert 0 < foretold < 1
    assert abs(after - before) < 10 * foretold
