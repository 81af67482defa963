"""Balancing changes no output and carries what the optimizer remembers; how A and B were cut does not matter."""

from typing import Any

import pytest
import torch

from finetune_lab.training.grit import create_grit_optimizer

MEASURE = {"burn_in_tokens": 50, "collect_every": 1, "refresh_every": 1, "collect": "all"}


def logits(model: Any, given: Any) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=given["input_ids"]).logits
    model.train()
    return found


@pytest.mark.parametrize("mode", ["ekfac", "precondition", "natural"])
def test_balancing_leaves_the_logits_alone(small: Any, mode: str) -> None:
    model = small.skewed(small.started(small.make_model().double()), 30.0)
    before = logits(model, small.rows(3))
    optimizer = create_grit_optimizer(model, 0.0, mode=mode, reproject_every=1, **MEASURE)
    weights = small.trained(model)
    small.train(model, optimizer, range(2))
    assert any(not torch.allclose(weight, weights[name]) for name, weight in small.trained(model).items())
    assert float((logits(model, small.rows(3)) - before).abs().max()) < 1e-10


def test_both_factors_become_one_diagonal_up_to_a_scalar(small: Any) -> None:
    model = small.started(small.make_model().double())
    optimizer = create_grit_optimizer(model, 0.0, reproject_every=1, **MEASURE)
    small.train(model, optimizer, range(1))
    for h, e in zip(*optimizer._statistics.factors(), strict=True):
        for factor in (h, e):
            assert float((factor - torch.diag(factor.diagonal())).abs().max() / factor.abs().max()) < 1e-6
        shares = [factor.diagonal() / factor.diagonal().sum() for factor in (h, e)]
        assert torch.allclose(shares[0], shares[1], atol=1e-6)
    again = small.changes(model)  # and what was measured then holds for the weights as they are now
    small.train(model, optimizer, range(1))
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(again, small.changes(model), strict=True))


def test_first_moments_stay_the_average_of_gradients(small: Any) -> None:
    """Balanced in between or not, the first moment in the balanced coordinates is the same."""
    found = []
    for late in (False, True):
        model = small.started(small.make_model().double())
        optimizer = create_grit_optimizer(model, 0.0, reproject_every=10**6, **(MEASURE | {"burn_in_tokens": 10**9}))
        balancing = optimizer._settings.__class__(**{**vars(optimizer._settings), "burn_in_tokens": 1})
        if not late:
            optimizer._settings = balancing
        small.train(model, optimizer, range(1), given=lambda _: small.rows(0))
        optimizer._settings = balancing
        small.train(model, optimizer, range(2), given=lambda _: small.rows(0))
        found.append({key: stack["first"].clone() for key, stack in optimizer._stacks.items()})
    for key, first in found[0].items():
        other = found[1][key]
        # signs of directions are free
        assert torch.allclose(first.abs(), other.abs(), atol=1e-6 * float(first.abs().max())), key


def test_natural_steps_do_not_see_how_a_and_b_were_cut(small: Any) -> None:
    """ΔW of every layer after four undamped steps from A, B and from R A, B R⁻¹."""
    plain, skewed = (small.started(small.make_model().double()) for _ in range(2))
    small.skewed(skewed)
    before = small.changes(plain)
    for model in (plain, skewed):
        optimizer = create_grit_optimizer(model, 1e-6, mode="natural", relative_damping=0.0, **MEASURE)
        small.train(model, optimizer, range(4))
    for start, one, two in zip(before, small.changes(plain), small.changes(skewed), strict=True):
        assert float((one - two).norm() / (one - start).norm()) < 1e-5
        assert float((one - two).norm() / one.norm()) < 1e-9


def test_the_published_form_does_see_it(small: Any) -> None:
    plain, skewed = (small.started(small.make_model().double()) for _ in range(2))
    small.skewed(skewed)
    before = small.changes(plain)
    for model in (plain, skewed):
        optimizer = create_grit_optimizer(
            model, 1e-6, mode="published", inner=torch.optim.SGD, damping=1e-12, **MEASURE
        )
        small.train(model, optimizer, range(2))
    apart = [
        float((one - two).norm() / (one - start).norm())
        for start, one, two in zip(before, small.changes(plain), small.changes(skewed), strict=True)
    ]
    assert min(apart) > 0.5
