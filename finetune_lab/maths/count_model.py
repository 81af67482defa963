"""Regression on counts with a log link, and what leaving out one cluster at a time would change.

n rows, y (n,) counts, X (n, k) design, o (n,) offset in logs, β (k,) coefficients, μ = e^(Xβ + o), w = μ,
M = XᵀWX the information, G clusters.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
MOST_STEPS = 100
TOLERANCE = 1e-9
FARTHEST = 30.0  # in logs around the mean rate: beyond it a part of the counts is all zero, and no maximum exists
MOST = 700.0  # the largest exponent that a float can take
BLOCK = 65_536  # rows (times columns, in batches of clusters) that are weighted at a time: memory stays flat


@dataclass(frozen=True, kw_only=True)
class CountFit:
    """Coefficients (k,), means (n,), information (k, k), and the variance over the mean, which is 1 for Poisson."""

    coefficients: Floats
    means: Floats
    information: Floats
    dispersion: float


def fit_counts(design: Floats, counts: Floats, offset: Floats) -> CountFit | None:
    """Solve Σ x (y − μ) = 0, the quasi-Poisson equations, by Newton steps that are halved where they overshoot.

    Right for any spread of the counts as long as their means are e^(Xβ + o): only the covariance depends on the
    spread, and it is taken from the clusters. None where no finite maximum exists (a group of zeros alone) or a
    column says nothing new. Source: McCullagh & Nelder (1989), ch. 9; Wooldridge (2010), § 18.2.
    """
    if counts.sum() <= 0:
        return None
    start = np.log(counts.sum() / np.exp(offset).sum())
    coefficients = np.asarray(np.linalg.lstsq(design, np.full(len(counts), start), rcond=None)[0], dtype=np.float64)
    means = np.exp(np.minimum(design @ coefficients + offset, MOST))
    for _ in range(MOST_STEPS):
        information = _information(design, means)
        if np.linalg.cond(information) > 1e13 or np.abs(design @ coefficients - start).max() > FARTHEST:
            return None
        step = np.asarray(np.linalg.solve(information, design.T @ (counts - means)), dtype=np.float64)
        coefficients, means = _uphill(design, counts, offset, coefficients, step)
        if np.abs(step).max() < TOLERANCE:
            spread = float(((counts - means) ** 2 / means).sum() / max(1, len(counts) - design.shape[1]))
            return CountFit(
                coefficients=coefficients,
                means=means,
                information=_information(design, means),
                dispersion=spread,
            )
    return None


def left_out(design: Floats, counts: Floats, fit: CountFit, clusters: Integers, direction: Floats) -> Floats:
    """How far each cluster pulls c·β (G,): c·β minus c·β without it, to the first Newton step; `direction` is c.

    cᵀM⁻¹ X_gᵀ√W (I − H_gg)⁻¹ r_g, r the Pearson residuals and H the hat matrix: exact for the linear model. Clusters
    are numbered 0 … G − 1. NaN for a cluster without which a column says nothing. Source: MacKinnon, Nielsen & Webb
    (2023), J. Econometrics 232:272 (the jackknife, CV3).
    """
    roots = np.sqrt(fit.means)
    root = np.linalg.cholesky(np.linalg.inv(fit.information))  # U = √W X root, so that H = U Uᵀ
    residuals = (counts - fit.means) / roots
    pulls = roots * (design @ (root @ (root.T @ direction)))
    found = np.zeros(int(clusters.max()) + 1)
    for numbers, rows in _batches(clusters, design.shape[1]):
        scaled = (roots[rows][..., None] * design[rows]) @ root  # [clusters, rows, k]
        found[numbers] = (pulls[rows] * _undiminished(scaled, residuals[rows])).sum(1)
    return found


def _undiminished(scaled: Floats, residuals: Floats) -> Floats:
    """(I − UUᵀ)⁻¹ r for many clusters: [clusters, rows]; in k dimensions where a cluster has more rows than that."""
    _, num_rows, num_columns = scaled.shape
    turned = scaled.transpose(0, 2, 1)
    if num_rows <= num_columns:
        return _solved(np.eye(num_rows) - scaled @ turned, residuals)
    inner = _solved(np.eye(num_columns) - turned @ scaled, (turned @ residuals[..., None])[..., 0])
    return residuals + (scaled @ inner[..., None])[..., 0]


def _solved(matrices: Floats, right: Floats) -> Floats:
    singular = np.linalg.eigvalsh(matrices)[:, 0] < 1e-9
    safe = np.where(singular[:, None, None], np.eye(matrices.shape[1]), matrices)
    found = np.linalg.solve(safe, right[..., None])[..., 0]
    return np.where(singular[:, None], np.nan, found)


def _batches(clusters: Integers, num_columns: int) -> Iterator[tuple[Integers, Integers]]:
    """Clusters of one size at a time: their numbers [c] and their rows [c, size]."""
    order = np.argsort(clusters, kind="stable")
    sizes = np.bincount(clusters)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    for size in np.unique(sizes[sizes > 0]):
        numbers = np.flatnonzero(sizes == size)
        together = max(1, BLOCK * 16 // (int(size) * num_columns))
        for first in range(0, len(numbers), together):
            chosen = numbers[first : first + together]
            yield chosen, order[starts[chosen][:, None] + np.arange(size)]


def _information(design: Floats, means: Floats) -> Floats:
    total = np.zeros((design.shape[1], design.shape[1]))
    for first in range(0, len(design), BLOCK):
        rows = design[first : first + BLOCK]
        total += (rows * means[first : first + BLOCK, None]).T @ rows
    return total


def _uphill(
    design: Floats, counts: Floats, offset: Floats, coefficients: Floats, step: Floats
) -> tuple[Floats, Floats]:
    """The first of step, step/2, step/4, … that does not lower the quasi-likelihood Σ y log μ − μ; and its means."""
    logs = design @ coefficients + offset
    before = float(counts @ logs - np.exp(np.minimum(logs, MOST)).sum())
    for _ in range(30):
        logs = design @ (coefficients + step) + offset
        means = np.exp(np.minimum(logs, MOST))
        if counts @ logs - means.sum() >= before - 1e-12 * abs(before):
            break
        step = step / 2
    return coefficients + step, means
