"""The measured curvature is that of the data, whatever the padding, checkpointing, loss scale and passes."""

import itertools
from typing import Any

import pytest
import torch

from finetune_lab.training.grit import create_grit_optimizer


def factors(model: Any, *passes: dict[str, Any], times: float = 1.0, **options: Any) -> tuple[torch.Tensor, ...]:
    """C_h and C_e after the backward passes of one step, each with its share of the loss."""
    optimizer = create_grit_optimizer(model, 1e-3, burn_in_tokens=10**9, collect="all", **options)
    for given in passes:
        (model(**given).loss * times / len(passes)).backward()
    optimizer._statistics.fold()
    optimizer._taps.remove()
    model.zero_grad()
    return optimizer._statistics.factors()


def close(one: tuple[torch.Tensor, ...], two: tuple[torch.Tensor, ...], tolerance: float) -> None:
    for a, b in zip(one, two, strict=True):
        assert float(a.abs().max()) > 0
        scale = b.abs().amax((-1, -2), keepdim=True)
        assert float(((a - b).abs() / scale).max()) < tolerance


def test_factors_are_those_of_the_exact_fisher_and_swapped_ones_are_not(small: Any) -> None:
    """The exact sums Σ e eᵀ and Σ h hᵀ by autograd on every layer; e in nats per token."""
    model = small.started(small.make_model())
    given = small.rows(0)
    measured = factors(model, given)
    kept: list[list[torch.Tensor]] = []

    def keep(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
        output.retain_grad()
        kept.append([output])

    handles = [
        module.register_forward_hook(keep) for name, module in model.named_modules() if name.endswith("lora_A.default")
    ]
    targets = (given["labels"][:, 1:] != -100).sum()
    (model(**given).loss * targets).backward()
    for handle in handles:
        handle.remove()
    for number, (hidden,) in enumerate(kept):
        h, e = hidden.detach().flatten(0, 1), hidden.grad.flatten(0, 1)
        size = e.abs().amax(-1)
        live = size > 1e-6 * size.max()
        for place, rows in enumerate((h[live], e[live])):
            exact = rows.T @ rows / live.sum()
            right, swapped = measured[place][number], measured[1 - place][number]
            assert float((right - exact).norm() / exact.norm()) < 1e-4
            assert float((swapped - exact).norm() / exact.norm()) > 0.5


@pytest.mark.parametrize("left", [True, False])
def test_padding_does_not_count(small: Any, left: bool) -> None:
    given = small.rows(0)
    ids = given["input_ids"]
    pad, off = torch.zeros_like(ids[:, :10]), torch.full_like(ids[:, :10], -100)
    join = (lambda a, b: torch.cat([a, b], 1)) if left else (lambda a, b: torch.cat([b, a], 1))
    padded = {
        "input_ids": join(pad, ids),
        "labels": join(off, ids),
        "attention_mask": join(torch.zeros_like(pad), torch.ones_like(ids)),
        "position_ids": (join(torch.zeros_like(pad), torch.ones_like(ids)).cumsum(1) - 1).clamp_min(0),
    }
    if left:  # the first token is no target, with or without something before it
        padded["labels"][:, 10] = -100
    plain, other = (factors(small.started(small.make_model()), rows) for rows in (given, padded))
    close(other, plain, 1e-3)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_changes_nothing(small: Any, reentrant: bool) -> None:
    plain = factors(small.started(small.make_model()), small.rows(0))
    model = small.started(small.make_model())
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    close(factors(model, small.rows(0)), plain, 1e-5)


def test_the_loss_scale_does_not_count(small: Any) -> None:
    plain, scaled = (factors(small.started(small.make_model()), small.rows(0), times=t) for t in (1.0, 4096.0))
    close(scaled, plain, 1e-5)


def test_the_number_of_passes_does_not_count(small: Any) -> None:
    given = small.rows(0)
    halves = [{name: value[start : start + 2] for name, value in given.items()} for start in (0, 2)]
    close(factors(small.started(small.make_model()), *halves), factors(small.started(small.make_model()), given), 1e-4)
    whole = {**given, "num_items_in_batch": torch.tensor(4 * 23)}
    parts = [{**half, "num_items_in_batch": torch.tensor(4 * 23)} for half in halves]
    summed = factors(small.started(small.make_model()), *parts, times=2.0)  # a trainer does not divide these again
    close(summed, factors(small.started(small.make_model()), whole), 1e-4)


def test_one_pass_of_a_step_is_enough_where_that_is_asked(small: Any) -> None:
    model = small.started(small.make_model())
    optimizer = create_grit_optimizer(model, 1e-3, burn_in_tokens=10**9, collect="one")
    model(**small.rows(0)).loss.backward()
    before = optimizer._statistics._pending["h"].clone()
    model(**small.rows(1)).loss.backward()
    assert torch.equal(before, optimizer._statistics._pending["h"])


def test_bfloat16_is_measured_in_float32(small: Any) -> None:
    plain = factors(small.started(small.make_model()), small.rows(0))
    rough = factors(small.started(small.make_model()).bfloat16(), small.rows(0))
    assert rough[1].dtype == torch.float32
    close(rough, plain, 0.1)


def test_wide_bases_are_the_leading_eigenvectors(small: Any) -> None:
    """After some power iterations on one batch the k directions hold what the k largest eigenvalues hold."""
    model = small.started(small.make_model())
    optimizer = create_grit_optimizer(
        model, 1e-3, burn_in_tokens=10**9, collect="all", wide_rank=8, statistics_decay=0.0
    )
    seen: dict[int, torch.Tensor] = {}
    module = optimizer._layers[0]
    handle = module.inner.register_forward_hook(
        lambda _m, inputs, _o: seen.update({0: inputs[0].detach().flatten(0, 1)})
    )
    for _ in range(12):
        model(**small.rows(0)).loss.backward()
        optimizer._statistics.fold()
    handle.remove()
    x = seen[0]
    live = x.shape[0] - 4  # the last position of every row has no target behind it, and no gradient
    basis = optimizer._statistics.wide_basis(optimizer._statistics.sides[32][:1])[0]
    covariance = x.T @ x / live
    largest = torch.linalg.eigvalsh(covariance)[-8:].sum()
    assert float(torch.trace(basis.T @ covariance @ basis)) > 0.97 * float(largest)
    assert torch.allclose(basis.T @ basis, torch.eye(8), atol=1e-4)


def test_every_batch_weighs_alike_in_the_first_bases(small: Any) -> None:
    """After two batches the directions are those of both, and not of whichever came first."""
    found = []
    for order in ((0, 1), (1, 0)):
        model = small.started(small.make_model())
        optimizer = create_grit_optimizer(model, 1e-3, burn_in_tokens=10**9, collect="all", wide_rank=32)
        for step in order:
            model(**small.rows(step)).loss.backward()
            optimizer._statistics.fold()
        side = optimizer._statistics.sides[32][:1]
        found.append(optimizer._statistics.wide_values(side)[0])
    assert torch.allclose(found[0], found[1], rtol=0.02, atol=float(found[0].max()) * 1e-3)


def test_curvature_is_heard_more_often_at_the_start(small: Any) -> None:
    model = small.make_model()
    optimizer = create_grit_optimizer(model, 1e-3, burn_in_tokens=1, collect_every=10, refresh_every=20, wide_rank=8)
    heard = []
    for step in range(60):
        if optimizer._collecting:
            heard.append(step)
        small.train(model, optimizer, range(step, step + 1))
    gaps = [after - before for before, after in itertools.pairwise(heard)]
    assert gaps == sorted(gaps)
    assert gaps[:3] == [1, 1, 1]
    assert gaps[-1] == 10
