"""The ratio of two arms' mean counts over the same covariates, with an interval and a test that hold for clusters.

n rows, y counts, X (n, k) covariates with mean zero, G clusters numbered 0 … G − 1,
μ₁, μ₀ the fitted means of every row under each arm, θ = Σ μ₁ / Σ μ₀ over all rows of both arms.
"""

from dataclasses import dataclass
from math import exp, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.count_model import MOST, CountFit, Floats, Integers, fit_counts, left_out
from finetune_lab.maths.intervals import t_quantile

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """θ with its interval; `log_error` is the standard error of log θ, `degrees` those of its t.

    `noise_degrees`: how well log_error² itself is known, as degrees of freedom: few where some clusters make most of
    it. `dispersion`: the variance of the counts over their mean, 1 for Poisson. All NaN, with `why`, where there is
    none.
    """

    value: float
    low: float
    high: float
    log_error: float
    degrees: float
    noise_degrees: float
    p_value: float
    dispersion: float
    why: str = ""

    @classmethod
    def unknown(cls, why: str) -> "Ratio":
        """No ratio, and the reason."""
        names = ("value", "low", "high", "log_error", "degrees", "noise_degrees", "p_value", "dispersion")
        return cls(**dict.fromkeys(names, nan), why=why)


def standardised_ratio(
    counts: Floats,
    candidate: Booleans,
    covariates: Floats,
    clusters: Integers,
    *,
    offset: Floats,
    interacted: bool,
    confidence: float,
) -> Ratio:
    """Fit a quasi-Poisson model, predict every row under both arms, and divide the sums.

    `candidate` tells the rows of that arm from those of the reference; `offset` is in logs. `interacted` lets every
    covariate work differently in each arm (Lin 2013, Annals of Applied Statistics 7:295), which for a random
    assignment is right in large samples whatever the true model is. The interval is symmetric on the log scale, from
    leaving out one cluster at a time, with t of the smaller arm's clusters − 1.
    """
    smaller = min(len(np.unique(clusters[candidate])), len(np.unique(clusters[~candidate])))
    if smaller < 3:
        return Ratio.unknown("fewer than three clusters in an arm")
    if not (counts[candidate].sum() > 0 and counts[~candidate].sum() > 0):
        return Ratio.unknown("an arm has none at all, so there is no ratio")
    crossed = [candidate[:, None] * covariates] if interacted else []
    design = np.column_stack([np.ones(len(counts)), candidate, covariates, *crossed])
    fit = fit_counts(design, counts, offset)
    if fit is None:
        return Ratio.unknown("the model has no finite fit: a part of the log has none at all")
    value, pulls = _pulled(design, fit, counts, covariates, clusters, offset, interacted)
    if np.isnan(pulls).any():
        return Ratio.unknown("one cluster alone carries a part of the model")
    num, degrees = len(pulls), smaller - 1.0
    squares = (pulls - pulls.mean()) ** 2
    error = sqrt((num - 1) / num * float(squares.sum()))
    far = t_quantile((1 + confidence) / 2, degrees) * error
    return Ratio(
        value=exp(value),
        low=exp(value - far),
        high=exp(value + far),
        log_error=error,
        degrees=degrees,
        noise_degrees=_noise_degrees(squares),
        p_value=_two_sided(value, error, degrees),
        dispersion=fit.dispersion,
    )


def _pulled(
    design: Floats,
    fit: CountFit,
    counts: Floats,
    covariates: Floats,
    clusters: Integers,
    offset: Floats,
    interacted: bool,
) -> tuple[float, Floats]:
    """Log θ, and log θ minus what it would be without each cluster (G,)."""
    num_columns = covariates.shape[1]
    plain, crossed = fit.coefficients[2 : 2 + num_columns], fit.coefficients[2 + num_columns :]
    without = np.exp(np.minimum(fit.coefficients[0] + covariates @ plain + offset, MOST))
    shift = fit.coefficients[1] + (covariates @ crossed if interacted else np.zeros(len(counts)))
    with_arm = without * np.exp(np.minimum(shift, MOST))
    sums = with_arm.sum(), without.sum()
    centres = with_arm @ covariates / sums[0], without @ covariates / sums[1]
    direction = np.concatenate([[0.0, 1.0], centres[0] - centres[1], *([centres[0]] if interacted else [])])
    shares = [np.bincount(clusters, rows) / total for rows, total in zip((with_arm, without), sums, strict=True)]
    pulls = left_out(design, counts, fit, clusters, direction) - np.log1p(-shares[0]) + np.log1p(-shares[1])
    return float(np.log(sums[0] / sums[1])), pulls


def _two_sided(value: float, error: float, degrees: float) -> float:
    from scipy.special import stdtr  # here, so that importing maths stays free of scipy

    return float(2 * stdtr(degrees, -abs(value) / error)) if error > 0 else nan


def _noise_degrees(squares: Floats) -> float:
    """Satterthwaite's: 2 (Σ s)² / (Σ s² − (Σ s)²/G), twice the square of the sum over its variance; at least 1."""
    total = float(squares.sum())
    spread = float((squares**2).sum()) - total**2 / len(squares)
    return max(1.0, min(2 * total**2 / spread, len(squares) - 1.0)) if spread > 0 else len(squares) - 1.0
