"""GRIT as an optimizer: neutral listening, exact resume, Adam before its burn-in and not after, refusals."""

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from finetune_lab.training.grit import create_grit_optimizer
from finetune_lab.training.grit.layers import UnsupportedModelError


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
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"], "task_type": "CAUSAL_LM"}
    model = get_peft_model(LlamaForCausalLM(config), LoraConfig(**{**settings, **lora}))
    return model.train()


def rows(step: int) -> dict[str, torch.Tensor]:
    ids = torch.randint(0, 64, (4, 24), generator=torch.Generator().manual_seed(step))
    ids[:, 12:] = ids[:, :12]  # something to learn: the second half repeats the first
    return {"input_ids": ids, "labels": ids}


def train(model: Any, optimizer: Any, steps: range) -> list[float]:
    losses = []
    for step in steps:
        loss = model(**rows(step)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def trained(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def test_listening_changes_no_gradient() -> None:
    plain, heard = make_model(), make_model()
    create_grit_optimizer(heard, 1e-3)
    for model in (plain, heard):
        model(**rows(0)).loss.backward()
    for (name, one), (_, two) in zip(plain.named_parameters(), heard.named_parameters(), strict=True):
        if one.requires_grad:
            assert torch.equal(one.grad, two.grad), name


def test_without_curvature_it_is_adam() -> None:
    ours, theirs = make_model(), make_model()
    train(ours, create_grit_optimizer(ours, 1e-3, betas=(0.9, 0.99), burn_in_tokens=10**9), range(5))
    weights = [weight for weight in theirs.parameters() if weight.requires_grad]
    train(theirs, torch.optim.AdamW(weights, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0), range(5))
    for name, weight in trained(ours).items():
        assert torch.allclose(weight, trained(theirs)[name], atol=1e-6), name


def test_after_the_burn_in_it_is_another_update() -> None:
    ours, theirs = make_model(), make_model()
    train(ours, create_grit_optimizer(ours, 1e-3, wide_rank=8, burn_in_tokens=100, refresh_every=2), range(8))
    train(theirs, create_grit_optimizer(theirs, 1e-3, burn_in_tokens=10**9), range(8))
    assert any(not torch.allclose(weight, trained(theirs)[name], atol=1e-5) for name, weight in trained(ours).items())


def test_it_learns_and_leaves_the_base_alone() -> None:
    model = make_model()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters() if not weight.requires_grad}
    optimizer = create_grit_optimizer(model, 1e-2, wide_rank=8, burn_in_tokens=200)
    losses = [train(model, optimizer, range(1))[0] for _ in range(40)]  # the same rows again and again
    assert losses[-1] < 0.95 * losses[0]
    for name, weight in model.named_parameters():
        if name in before:
            assert torch.equal(weight, before[name]), name


def test_a_resumed_run_is_the_same_run() -> None:
    options: dict[str, Any] = {"wide_rank": 8, "burn_in_tokens": 100, "collect_every": 3, "refresh_every": 4}
    whole = make_model()
    train(whole, create_grit_optimizer(whole, 1e-3, **options), range(12))
    first = make_model()
    optimizer = create_grit_optimizer(first, 1e-3, **options)
    train(first, optimizer, range(7))
    kept = copy.deepcopy((first.state_dict(), optimizer.state_dict()))
    second = make_model()
    second.load_state_dict(kept[0])
    resumed = create_grit_optimizer(second, 1e-3, **options)
    resumed.load_state_dict(kept[1])
    train(second, resumed, range(7, 12))
    for name, weight in trained(whole).items():
        assert torch.equal(weight, trained(second)[name]), name


def test_a_nan_stays_in_its_own_matrix() -> None:
    model = make_model()
    optimizer = create_grit_optimizer(model, 1e-3, burn_in_tokens=10**9)
    model(**rows(0)).loss.backward()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    before = [weight.detach().clone() for weight in weights]
    weights[1].grad[0, 0] = float("nan")
    optimizer.step()
    assert torch.equal(weights[1], before[1])
    assert all(torch.isfinite(weight).all() for weight in weights)
    assert not torch.equal(weights[3], before[3])


def test_what_it_is_not_right_on_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="DoRA"):
        create_grit_optimizer(make_model(use_dora=True), 1e-3)
    with pytest.raises(UnsupportedModelError, match="no trainable LoRA"):
        create_grit_optimizer(torch.nn.Linear(4, 4), 1e-3)
