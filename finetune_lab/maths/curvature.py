"""Curvature of LoRA layers: in rank space whole, on the wide sides by a few directions. Pure, batched over layers.

Letters: M layers at once; a LoRA layer is y = W x + s·B h with h = A x, A: r×i, B: o×r; e = dL/dh, g = dL/d(B h).
C_h = E[h hᵀ] and C_e = E[e eᵀ] are r×r (Martens and Grosse 2015, arXiv 1503.05671, in the rank space of the layer);
U: d×k, orthonormal columns that span the largest eigenvectors of a wide covariance Σ = E[x xᵀ] or E[g gᵀ], which is
never formed; λ: its k eigenvalues. Every function takes and gives tensors of shape [M, …] and changes nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def eigenbases(factors: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues [M, r], largest first, and eigenvectors [M, r, r] in columns, of symmetric `factors` [M, r, r].

    One call on the CPU in float64 for all layers: many tiny decompositions are slow, or fail, on a GPU.
    """
    values, vectors = torch.linalg.eigh(factors.double().cpu())
    turned = values.flip(-1).clamp_min(0), vectors.flip(-1)
    return turned[0].to(factors), turned[1].to(factors)


def power_step(basis: Tensor, values: Tensor, products: Tensor, decay: float | Tensor) -> tuple[Tensor, Tensor]:
    """One block power iteration on the running covariance: new U [M, d, k] and λ [M, k], largest first.

    `products` is Σ_batch U = E[x (xᵀU)], [M, d, k]. The running covariance is known as U diag(λ) Uᵀ alone, so that
    decay·U diag(λ) + (1 − decay)·Σ_batch U is its product with U; QR and the SVD of the small factor turn that into
    an orthonormal basis again (Halko, Martinsson and Tropp 2011, arXiv 0909.4061, algorithm 4.4).
    """
    mixed = decay * basis * values[:, None, :] + (1 - decay) * products
    orthonormal, triangle = torch.linalg.qr(mixed)
    left, sizes, _ = torch.linalg.svd(triangle)
    return orthonormal @ left, sizes


def carried(moments: Tensor, turn: Tensor) -> Tensor:
    """Second moments in new coordinates: rows of `moments` [M, rows, k], `turn` = UᵀU′ [M, k, k′].

    With uncorrelated coordinates the variance of Σ_j u_j c_j is Σ_j u_j² var(c_j): the squares carry it.
    """
    return moments @ turn.square()


def powers(factors: Tensor, *, exponent: float, relative_damping: float, normalised: bool = True) -> Tensor:
    """(C + λ·tr(C)/r·I)^−p for `factors` [M, r, r]; `normalised` to trace r, so that no scale drifts into a rate.

    Damping relative to the trace: C_h is of order 1 to 100 and C_e of order 1e−8, so that no absolute one suits both.
    A factor of zeros gives the identity. Without damping the factors must have full rank.
    """
    values, vectors = (part.double() for part in eigenbases(factors))
    rank, tiny = values.shape[-1], torch.finfo(values.dtype).tiny
    mean = values.mean(-1, keepdim=True)
    damped = torch.where(mean > 0, values / mean.clamp_min(tiny) + relative_damping, 1.0)
    inverse = damped.pow(-exponent)
    size = torch.where(mean > 0, mean.clamp_min(tiny).pow(-exponent), 1.0)
    scaled = inverse * (rank / inverse.sum(-1, keepdim=True) if normalised else size)
    return ((vectors * scaled[:, None, :]) @ vectors.mT).to(factors)


def damped_inverses(factors: Tensor, *, damping: float) -> Tensor:
    """(C + λ·I)⁻¹ for `factors` [M, r, r]: the absolute damping of what was published."""
    values, vectors = (part.double() for part in eigenbases(factors))
    return ((vectors / (values + damping)[:, None, :]) @ vectors.mT).to(factors)


def balance(inner: Tensor, outer: Tensor, *, floor: float = 1e-12) -> tuple[Tensor, Tensor, Tensor]:
    """R, R⁻¹ [M, r, r] and σ [M, r] with R C_h Rᵀ = R⁻ᵀ C_e R⁻¹ = diag(σ), for `inner` C_h and `outer` C_e [M, r, r].

    A ← R A, B ← B R⁻¹ leaves B A unchanged. C_h = L Lᵀ, eig(Lᵀ C_e L) = U diag(σ²) Uᵀ, R = σ^½ Uᵀ L⁻¹. σ are the
    singular values of ΔW whitened by the Fisher of both sides; leaving out those behind the k-th raises the loss by
    ½ Σ_{i>k} σ_i² to second order. In float64; needs C_h of full rank and scales by σ of at least `floor` times the
    largest, so that R stays invertible (σ itself is given as it is).
    """
    lower = torch.linalg.cholesky(inner.double())
    squares, vectors = torch.linalg.eigh(lower.mT @ outer.double() @ lower)
    sigma = squares.flip(-1).clamp_min(0).sqrt()
    root = torch.maximum(sigma, sigma[..., :1] * floor + torch.finfo(torch.float64).tiny).sqrt()
    vectors = vectors.flip(-1)
    to = root[..., :, None] * torch.linalg.solve_triangular(lower, vectors.mT, upper=False, left=False)
    back = lower @ (vectors / root[..., None, :])
    return to, back, sigma


def effective_rank(values: Tensor) -> Tensor:
    """Exp of the entropy of `values` [M, r] as shares (Roy and Vetterli 2007): r for equal ones, 1 for a single one."""
    shares = values / values.sum(-1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
    return torch.exp(-(shares * shares.clamp_min(torch.finfo(values.dtype).tiny).log()).sum(-1))


def kept_directions(sigma: Tensor, *, share: float, floor: int) -> Tensor:
    """How many leading directions [M] hold `share` of Σ σ² in each layer of σ [M, r], at least `floor`."""
    squares = sigma.square()
    running = squares.cumsum(-1) / squares.sum(-1, keepdim=True).clamp_min(torch.finfo(sigma.dtype).tiny)
    return ((running < share).sum(-1) + 1).clamp(min=min(floor, sigma.shape[-1]), max=sigma.shape[-1])


def kept_within(sigmas: Sequence[Tensor], *, budget: float, floor: int) -> list[int]:
    """How many leading directions of each layer's σ [r] to keep so that ½ Σ σ² of all that go is at most `budget`.

    The smallest directions of all layers go first; a layer keeps at least `floor`.
    """
    losses = [
        (0.5 * float(value) ** 2, layer, place) for layer, one in enumerate(sigmas) for place, value in enumerate(one)
    ]
    kept, left = [len(one) for one in sigmas], budget
    for loss, layer, place in sorted(losses, key=lambda entry: (entry[0], -entry[2])):
        if loss > left:
            break
        if place == kept[layer] - 1 and place >= floor:
            kept[layer], left = place, left - loss
    return kept


def truncation_loss(sigma: Tensor, kept: int) -> float:
    """What leaving out all but the first `kept` directions of σ [r] adds to the loss per token, to second order."""
    return 0.5 * float(sigma[kept:].double().square().sum())
