"""Logistic regression on outcomes between 0 and 1, with a covariance that holds for clusters.

n outcomes y in [0, 1], X (n, k) the design, β (k,) the coefficients, μ = 1/(1 + e^(−Xβ)), G clusters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
MOST_STEPS = 100
TOLERANCE = 1e-10
FARTHEST = 25.0  # in logits: beyond it the outcomes are separated, and no finite maximum exists


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Coefficients (k,), their covariance (k, k) and its degrees of freedom; NaN where there is no finite maximum."""

    coefficients: Floats
    covariance: Floats
    degrees: float
    converged: bool


def fit_logistic(design: Floats, outcomes: Floats, clusters: NDArray[np.int64]) -> Fit:
    """Maximise Σ y log μ + (1 − y) log(1 − μ) by iteratively reweighted least squares with halved steps.

    A fraction y is an outcome that went partly one way. The covariance is H⁻¹ (Σ_g s_g s_gᵀ) H⁻¹ G/(G−1) with s_g
    the summed scores of a cluster. Not converged, and NaN throughout, where the outcomes are separated (all won, say)
    or a column of the design says nothing new.
    Source: McCullagh & Nelder (1989), §4.4; Papke & Wooldridge (1996), J. Appl. Econometrics 11:619; Liang & Zeger
    (1986), Biometrika 73:13.
    """
    coefficients = np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        means = expit(design @ coefficients)
        information = _information(design, means)
        if np.linalg.cond(information) > 1e12 or np.abs(design @ coefficients).max(initial=0.0) > FARTHEST:
            break
        step: Floats = np.asarray(np.linalg.solve(information, design.T @ (outcomes - means)), dtype=np.float64)
        coefficients = _uphill(design, outcomes, coefficients, step)
        if np.abs(step).max() < TOLERANCE:
            covariance, degrees = _covariance(design, outcomes, coefficients, clusters)
            return Fit(coefficients=coefficients, covariance=covariance, degrees=degrees, converged=True)
    unknown = np.full(design.shape[1], np.nan)
    return Fit(coefficients=unknown, covariance=np.outer(unknown, unknown), degrees=0.0, converged=False)


def expit(logits: ArrayLike) -> Floats:
    """1/(1 + e^(−x)) without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64))))


def _information(design: Floats, means: Floats) -> Floats:
    return np.asarray((design * (means * (1 - means))[:, None]).T @ design)


def _likelihood(design: Floats, outcomes: Floats, coefficients: Floats) -> float:
    logits = design @ coefficients
    return float(np.sum(outcomes * logits - np.logaddexp(0.0, logits)))


def _uphill(design: Floats, outcomes: Floats, coefficients: Floats, step: Floats) -> Floats:
    """The first of step, step/2, step/4, … that does not go down."""
    before = _likelihood(design, outcomes, coefficients)
    for _ in range(30):
        if _likelihood(design, outcomes, coefficients + step) >= before - 1e-12 * abs(before):
            break
        step = step / 2
    return coefficients + step


def _covariance(
    design: Floats, outcomes: Floats, coefficients: Floats, clusters: NDArray[np.int64]
) -> tuple[Floats, float]:
    means = expit(design @ coefficients)
    bread = np.linalg.inv(_information(design, means))
    _, numbers = np.unique(clusters, return_inverse=True)
    num_clusters = int(numbers.max()) + 1
    scores = np.zeros((num_clusters, design.shape[1]))
    np.add.at(scores, numbers, design * (outcomes - means)[:, None])
    if num_clusters < 2:
        return np.full_like(bread, np.nan), 0.0
    return bread @ (scores.T @ scores) @ bread * num_clusters / (num_clusters - 1), num_clusters - 1.0
