"""GRIT as an optimizer: neutral listening, exact resume, Adam before its burn-in and not after, refusals."""

import copy
from typing import Any

import pytest
import torch

from finetune_lab.training.grit import create_grit_optimizer
from finetune_lab.training.grit.layers import UnsupportedModelError


def test_listening_changes_no_gradient(small: Any) -> None:
    plain, heard = small.make_model(), small.make_model()
    create_grit_optimizer(heard, 1e-3)
    for model in (plain, heard):
        model(**small.rows(0)).loss.backward()
    for (name, one), (_, two) in zip(plain.named_parameters(), heard.named_parameters(), strict=True):
        if one.requires_grad:
            assert torch.equal(one.grad, two.grad), name


def test_without_curvature_it_is_adam(small: Any) -> None:
    ours, theirs = small.make_model(), small.make_model()
    small.train(ours, create_grit_optimizer(ours, 1e-3, betas=(0.9, 0.99), burn_in_tokens=10**9), range(5))
    weights = [weight for weight in theirs.parameters() if weight.requires_grad]
    small.train(theirs, torch.optim.AdamW(weights, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0), range(5))
    for name, weight in small.trained(ours).items():
        assert torch.allclose(weight, small.trained(theirs)[name], atol=1e-6), name


def test_after_the_burn_in_it_is_another_update(small: Any) -> None:
    ours, theirs = small.make_model(), small.make_model()
    small.train(ours, create_grit_optimizer(ours, 1e-3, wide_rank=8, burn_in_tokens=100, refresh_every=2), range(8))
    small.train(theirs, create_grit_optimizer(theirs, 1e-3, burn_in_tokens=10**9), range(8))
    assert any(
        not torch.allclose(weight, small.trained(theirs)[name], atol=1e-5)
        for name, weight in small.trained(ours).items()
    )


def test_it_learns_and_leaves_the_base_alone(small: Any) -> None:
    model = small.make_model()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters() if not weight.requires_grad}
    optimizer = create_grit_optimizer(model, 1e-2, wide_rank=8, burn_in_tokens=200)
    losses = [small.train(model, optimizer, range(1))[0] for _ in range(40)]  # the same rows again and again
    assert losses[-1] < 0.95 * losses[0]
    for name, weight in model.named_parameters():
        if name in before:
            assert torch.equal(weight, before[name]), name


def test_a_resumed_run_is_the_same_run(small: Any) -> None:
    options: dict[str, Any] = {"wide_rank": 8, "burn_in_tokens": 100, "collect_every": 3, "refresh_every": 4}
    whole = small.make_model()
    small.train(whole, create_grit_optimizer(whole, 1e-3, **options), range(12))
    first = small.make_model()
    optimizer = create_grit_optimizer(first, 1e-3, **options)
    small.train(first, optimizer, range(7))
    kept = copy.deepcopy((first.state_dict(), optimizer.state_dict()))
    second = small.make_model()
    second.load_state_dict(kept[0])
    resumed = create_grit_optimizer(second, 1e-3, **options)
    resumed.load_state_dict(kept[1])
    small.train(second, resumed, range(7, 12))
    for name, weight in small.trained(whole).items():
        assert torch.equal(weight, small.trained(second)[name]), name


def test_a_nan_stays_in_its_own_matrix(small: Any) -> None:
    model = small.make_model()
    optimizer = create_grit_optimizer(model, 1e-3, burn_in_tokens=10**9)
    model(**small.rows(0)).loss.backward()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    before = [weight.detach().clone() for weight in weights]
    weights[1].grad[0, 0] = float("nan")
    optimizer.step()
    assert torch.equal(weights[1], before[1])
    assert all(torch.isfinite(weight).all() for weight in weights)
    assert not torch.equal(weights[3], before[3])


def test_what_it_is_not_right_on_is_refused(small: Any) -> None:
    with pytest.raises(UnsupportedModelError, match="DoRA"):
        create_grit_optimizer(small.make_model(use_dora=True), 1e-3)
    with pytest.raises(UnsupportedModelError, match="no trainable LoRA"):
        create_grit_optimizer(torch.nn.Linear(4, 4), 1e-3)
    two = small.make_model()
    two.add_adapter("second", two.peft_config["default"])
    two.base_model.set_adapter(["default", "second"])
    with pytest.raises(UnsupportedModelError, match="several active adapters"):
        create_grit_optimizer(two, 1e-3)
    parameters = small.make_model(target_modules=["q_proj"], target_parameters=["mlp.down_proj.weight"])
    with pytest.raises(UnsupportedModelError, match="target_parameters"):
        create_grit_optimizer(parameters, 1e-3)
    sharded = small.make_model()
    next(weight for weight in sharded.parameters() if weight.requires_grad).ds_id = 0  # as ZeRO-3 marks its weights
    with pytest.raises(UnsupportedModelError, match="sharded"):
        create_grit_optimizer(sharded, 1e-3)


def test_parameters_put_in_place_of_the_adapters_are_refused(small: Any) -> None:
    optimizer = create_grit_optimizer(small.make_model(), 1e-3)
    optimizer.param_groups[0]["params"] = [torch.nn.Parameter(torch.zeros(8))]  # as DeepSpeed's flat partitions
    with pytest.raises(UnsupportedModelError, match="in place of the adapter's"):
        optimizer.step()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mode": "swapped"}, "mode is of"),
        ({"sides": ["middle"]}, "sides are of"),
        ({"share": 0.9}, "set reproject_every"),
        ({"share": 0.9, "budget_nats": 0.1, "reproject_every": 5}, "set one of them"),
        ({"reproject_rank": 4}, "mode published"),
    ],
)
def test_settings_that_say_nothing_are_refused(small: Any, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        create_grit_optimizer(small.make_model(), 1e-3, **wrong)


@pytest.mark.parametrize("mode", ["precondition", "natural", "published"])
def test_every_mode_learns_and_resumes(small: Any, mode: str) -> None:
    rate = 1e-2
    options: dict[str, Any] = {"mode": mode, "burn_in_tokens": 50, "collect_every": 2, "refresh_every": 2}
    options |= {"relative_damping": 1.0 if mode == "natural" else 1e-2}
    whole = small.started(small.make_model())
    optimizer = create_grit_optimizer(whole, rate, **options)
    losses = [small.train(whole, optimizer, range(1))[0] for _ in range(16)]
    assert losses[-1] < losses[0] - 0.05
    first = small.started(small.make_model())
    optimizer = create_grit_optimizer(first, rate, **options)
    for _ in range(9):
        small.train(first, optimizer, range(1))
    kept = copy.deepcopy((first.state_dict(), optimizer.state_dict()))
    second = small.make_model()
    second.load_state_dict(kept[0])
    resumed = create_grit_optimizer(second, rate, **options)
    resumed.load_state_dict(kept[1])
    for _ in range(7):
        small.train(second, resumed, range(1))
    for name, weight in small.trained(whole).items():
        assert torch.equal(weight, small.trained(second)[name]), name


def test_a_weight_without_a_gradient_stays_and_so_does_one_outside_the_layers_learn(small: Any) -> None:
    model = small.make_model(modules_to_save=["norm"])
    optimizer = create_grit_optimizer(model, 1e-2, weight_decay=0.1)
    model(**small.rows(0)).loss.backward()
    inner = [weight for name, weight in model.named_parameters() if weight.requires_grad and "lora_A" in name]
    norm = next(weight for name, weight in model.named_parameters() if weight.requires_grad and "norm" in name)
    before = inner[0].detach().clone(), norm.detach().clone()
    inner[0].grad = None
    optimizer.step()
    assert torch.equal(inner[0], before[0])
    assert not torch.equal(norm, before[1])
