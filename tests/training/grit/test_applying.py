"""The bound on a step: it holds for what the model says, leaves short steps alone, and knows all tokens of a step."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from finetune_lab.training.grit import create_grit_optimizer

BOUND = 1e-4
MEASURE: dict[str, Any] = {"wide_rank": 8, "burn_in_tokens": 50}


def divergence(before: torch.Tensor, after: torch.Tensor) -> float:
    """Mean KL of the next token's distribution, in nats per position."""
    return float((before.exp() * (before - after)).sum(-1).mean())


def log_probabilities(model: Any, rows: dict[str, Any]) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=rows["input_ids"]).logits.log_softmax(-1)


def largest_divergence(small: Any, **options: Any) -> float:
    """Of six steps at a rate far too high, measured on the rows of each step."""
    model, found = small.started(small.make_model(lora_dropout=0.0)), []
    optimizer = create_grit_optimizer(model, 0.3, **MEASURE, **options)
    for step in range(6):
        rows = small.rows(step, 16)
        before = log_probabilities(model, rows)
        small.train(model, optimizer, range(step, step + 1), lambda _: rows)  # noqa: B023 called at once
        found.append(divergence(before, log_probabilities(model, rows)))
    return max(found)


def test_no_step_says_much_else_than_is_allowed(small: Any) -> None:
    assert largest_divergence(small, kl_clip=None) > 100 * BOUND
    assert largest_divergence(small, kl_clip=BOUND) < 4 * BOUND  # the diagonal leaves out that directions add up


@pytest.mark.parametrize("sides", [(), ("rank", "input", "output")])
def test_a_short_step_is_left_alone(small: Any, sides: Sequence[str]) -> None:
    free, bound = small.make_model(), small.make_model()
    for model, kl_clip in ((free, None), (bound, 1e6)):
        small.train(model, create_grit_optimizer(model, 1e-3, sides=sides, kl_clip=kl_clip, **MEASURE), range(6))
    for name, weight in small.trained(free).items():
        assert torch.equal(weight, small.trained(bound)[name]), name


def test_the_bound_scales_all_matrices_alike(small: Any) -> None:
    """Half the allowed divergence is a step shorter by √2, in the same direction."""
    steps = []
    for kl_clip in (BOUND, BOUND / 2):
        model = small.started(small.make_model())
        before = small.trained(model)
        small.train(model, create_grit_optimizer(model, 0.3, kl_clip=kl_clip, **MEASURE), range(1))
        steps.append({name: weight - before[name] for name, weight in small.trained(model).items()})
    for name, step in steps[0].items():
        assert torch.allclose(step, steps[1][name] * 2**0.5, rtol=1e-3, atol=1e-7), name


@pytest.mark.parametrize("collect", ["one", "all"])
def test_all_passes_of_a_step_count(small: Any, collect: str) -> None:
    model = small.started(small.make_model())
    optimizer = create_grit_optimizer(model, 1e-3, collect=collect, **MEASURE)
    for step in range(3):
        for part in range(2):
            (model(**small.rows(2 * step + part)).loss / 2).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert float(optimizer._statistics.state["step_targets"]) == pytest.approx(2 * 4 * 23)


def test_without_labels_nothing_is_bounded(small: Any) -> None:
    weights = []
    for kl_clip in (None, 1e-9):
        model = small.started(small.make_model())
        optimizer = create_grit_optimizer(model, 1e-2, kl_clip=kl_clip, **MEASURE)
        for step in range(3):
            model(input_ids=small.rows(step)["input_ids"]).logits.float().square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        weights.append(small.trained(model))
    for name, weight in weights[0].items():
        assert torch.equal(weight, weights[1][name]), name
