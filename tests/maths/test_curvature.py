"""Curvature in rank space against dense float64 references: the Fisher, whitened singular values, eigenvectors."""

from typing import Any

import pytest
import torch

from finetune_lab.maths.curvature import (
    balance,
    carried,
    damped_inverses,
    effective_rank,
    eigenbases,
    kept_directions,
    kept_within,
    power_step,
    powers,
    truncation_loss,
)

RANK, WIDE_IN, WIDE_OUT, ROWS = 4, 12, 10, 4000


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def layer() -> dict[str, torch.Tensor]:
    """One layer: inputs x and output gradients g, both far from white, and A, B; g does not depend on x."""
    x = drawn(ROWS, WIDE_IN, seed=1) @ drawn(WIDE_IN, WIDE_IN, seed=2).T
    g = drawn(ROWS, WIDE_OUT, seed=3) @ drawn(WIDE_OUT, WIDE_OUT, seed=4).T
    return {"x": x, "g": g, "A": drawn(RANK, WIDE_IN, seed=5), "B": drawn(WIDE_OUT, RANK, seed=6)}


def factors(layer: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    h, e = layer["x"] @ layer["A"].T, layer["g"] @ layer["B"]
    return h.T @ h / ROWS, e.T @ e / ROWS


def gradients(layer: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    x, g = layer["x"], layer["g"]
    return (g @ layer["B"]).T @ x / ROWS, g.T @ (x @ layer["A"].T) / ROWS


def apart(one: torch.Tensor, two: torch.Tensor) -> float:
    return float((one - two).norm() / two.norm())


def test_the_row_curvature_of_a_is_c_e_and_not_c_h(layer: dict[str, torch.Tensor]) -> None:
    """Against the exact Fisher blocks E[vec(e xᵀ) vec(e xᵀ)ᵀ] and E[vec(g hᵀ) vec(g hᵀ)ᵀ]."""
    x, g = layer["x"], layer["g"]
    h, e = x @ layer["A"].T, g @ layer["B"]
    c_h, c_e = factors(layer)
    for rows, wide, right, swapped in ((e, x, c_e, c_h), (h, g, c_h, c_e)):
        each = torch.einsum("ni,nj->nij", rows, wide).flatten(1)
        exact = each.T @ each / ROWS
        covariance = wide.T @ wide / ROWS
        assert apart(torch.kron(right, covariance), exact) < 0.15
        assert apart(torch.kron(swapped, covariance), exact) > 0.5


def test_undamped_inverses_do_not_see_the_gauge_and_swapped_ones_do(layer: dict[str, torch.Tensor]) -> None:
    turn = drawn(RANK, RANK, seed=7)
    other = {**layer, "A": turn @ layer["A"], "B": layer["B"] @ torch.linalg.inv(turn)}

    def change(layer: dict[str, torch.Tensor], swapped: bool) -> torch.Tensor:
        inverses = [powers(c[None], exponent=1.0, relative_damping=0.0, normalised=False)[0] for c in factors(layer)]
        for_b, for_a = reversed(inverses) if swapped else inverses
        grad_a, grad_b = gradients(layer)
        return layer["B"] @ (for_a @ grad_a) + (grad_b @ for_b) @ layer["A"]

    assert apart(change(other, False), change(layer, False)) < 1e-9
    assert apart(change(other, True), change(layer, True)) > 1


def test_powers_are_powers() -> None:
    root = drawn(3, RANK, RANK)
    factor = root @ root.mT
    damped = factor + 0.1 * torch.diag_embed(factor.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True).expand(3, RANK))
    half = powers(factor, exponent=0.5, relative_damping=0.1, normalised=False)
    assert torch.allclose(half @ half @ damped, torch.eye(RANK).double().expand(3, RANK, RANK), atol=1e-9)
    normal = powers(factor, exponent=1.0, relative_damping=0.1)
    assert torch.allclose(normal.diagonal(dim1=-2, dim2=-1).sum(-1), torch.full((3,), float(RANK)).double())
    assert torch.allclose(powers(factor * 1e-8, exponent=1.0, relative_damping=0.1), normal, atol=1e-9)
    zero = powers(torch.zeros(1, RANK, RANK), exponent=0.5, relative_damping=0.1)
    assert torch.allclose(zero[0], torch.eye(RANK))


def test_an_absolute_damping_makes_the_identity_of_small_factors() -> None:
    """The published one with e of order 1e-6: Adam cancels what is left, a scalar."""
    root = drawn(1, RANK, RANK)
    found = damped_inverses(root @ root.mT * 1e-12, damping=1e-2)[0]
    assert apart(found, 100 * torch.eye(RANK).double()) < 1e-6
    direct = damped_inverses(root @ root.mT, damping=1e-2)[0]
    assert apart(direct, torch.linalg.inv((root @ root.mT)[0] + 1e-2 * torch.eye(RANK).double())) < 1e-9


def test_balancing_is_exact_and_sigma_is_the_whitened_spectrum(layer: dict[str, torch.Tensor]) -> None:
    c_h, c_e = factors(layer)
    to, back, sigma = (part[0] for part in balance(c_h[None], c_e[None]))
    assert apart((layer["B"] @ back) @ (to @ layer["A"]), layer["B"] @ layer["A"]) < 1e-12
    assert apart(to @ c_h @ to.T, torch.diag(sigma)) < 1e-9
    assert apart(back.T @ c_e @ back, torch.diag(sigma)) < 1e-9
    sides = [torch.linalg.cholesky(layer[name].T @ layer[name] / ROWS) for name in ("g", "x")]
    whitened = sides[0].T @ (layer["B"] @ layer["A"]) @ sides[1]
    assert torch.allclose(torch.linalg.svdvals(whitened)[:RANK], sigma, rtol=1e-9)


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_cut_costs_what_it_says_and_no_more_than_plain_svd(layer: dict[str, torch.Tensor], kept: int) -> None:
    """½ E[(gᵀ δ x)²] with g and x independent is ½ tr(Σg δ Σx δᵀ)."""
    sigma_x, sigma_g = (layer[name].T @ layer[name] / ROWS for name in ("x", "g"))
    whole = layer["B"] @ layer["A"]

    def loss(change: torch.Tensor) -> float:
        return 0.5 * float(torch.trace(sigma_g @ change @ sigma_x @ change.T))

    to, back, sigma = (part[0] for part in balance(*(c[None] for c in factors(layer))))
    ours = loss((layer["B"] @ back)[:, :kept] @ (to @ layer["A"])[:kept] - whole)
    left, values, right = torch.linalg.svd(whole)
    plain = loss((left[:, :kept] * values[:kept]) @ right[:kept] - whole)
    assert ours == pytest.approx(truncation_loss(sigma, kept), rel=1e-9)
    assert ours <= plain


def test_the_power_iteration_finds_the_leading_directions() -> None:
    covariance = torch.diag(torch.tensor([9.0, 4.0, 1.0, 0.1, 0.01, 0.001])).double()
    turn = torch.linalg.qr(drawn(6, 6))[0]
    covariance = turn @ covariance @ turn.T
    basis, values = torch.linalg.qr(drawn(1, 6, 2, seed=9))[0], torch.zeros(1, 2).double()
    for step in range(30):
        basis, values = power_step(basis, values, covariance @ basis, 0.0 if step == 0 else 0.5)
    assert apart(basis[0] @ basis[0].T, turn[:, :2] @ turn[:, :2].T) < 1e-6
    assert torch.allclose(values[0], torch.tensor([9.0, 4.0]).double(), rtol=1e-6)


def test_second_moments_are_carried_by_the_squares() -> None:
    coordinates = drawn(20000, 3, seed=11) * torch.tensor([3.0, 1.0, 0.2]).double()
    turn = torch.linalg.qr(drawn(3, 3, seed=12))[0]
    found = carried(coordinates.square().mean(0)[None, None], turn[None])[0, 0]
    assert torch.allclose(found, (coordinates @ turn).square().mean(0), rtol=0.03)


def test_eigenbases_come_largest_first() -> None:
    values, vectors = eigenbases(torch.diag_embed(torch.tensor([[1.0, 3.0, 2.0]])))
    assert values[0].tolist() == [3.0, 2.0, 1.0]
    assert torch.allclose(vectors[0].abs(), torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]))


def test_effective_rank_counts_directions() -> None:
    found = effective_rank(torch.tensor([[1.0, 1, 1, 1], [1, 0, 0, 0]]).double())
    assert torch.allclose(found, torch.tensor([4.0, 1.0]).double())


def test_how_many_directions_hold_a_share() -> None:
    sigma = torch.tensor([[3.0, 2.0, 1.0, 0.1]]).double()  # squares 9, 4, 1, 0.01
    found = [int(kept_directions(sigma, share=share, floor=1)[0]) for share in (0.5, 0.92, 0.93, 0.999, 1.0)]
    assert found == [1, 2, 3, 3, 4]
    assert int(kept_directions(sigma, share=0.5, floor=3)[0]) == 3


@pytest.mark.parametrize(
    ("budget", "floor", "kept"),
    [(0.0, 1, [3, 2]), (0.03, 1, [2, 2]), (0.6, 1, [2, 1]), (1e9, 1, [1, 1]), (1e9, 2, [2, 2])],
)
def test_a_budget_is_spent_on_the_smallest_directions_of_all_layers(budget: float, floor: int, kept: Any) -> None:
    sigmas = [torch.tensor([3.0, 2.0, 0.2]), torch.tensor([4.0, 1.0])]  # losses 4.5, 2, 0.02 and 8, 0.5
    assert kept_within(sigmas, budget=budget, floor=floor) == kept
