"""Whether two groups of rows are alike in what is known of them, and whether they overlap at all.

n rows, X (n, k) covariates, a the arm (1: candidate), p its share, G clusters, e the propensity P(a = 1 | x).
"""

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.logistic import expit, fit_logistic

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def standardised_differences(covariates: Floats, candidate: Booleans) -> Floats:
    """Mean of the candidate's rows − mean of the others, in standard deviations, for every column (k,).

    The deviation is √((s₁² + s₀²)/2); a column that is constant in both arms differs by 0, or by ∞. Under 0.1 is
    usually called balanced. Source: Austin (2009), Statistics in Medicine 28:3083.
    """
    one, other = covariates[candidate], covariates[~candidate]
    spread = np.sqrt((one.var(axis=0) + other.var(axis=0)) / 2)
    apart = one.mean(axis=0) - other.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(apart) < 1e-12, 0.0, np.asarray(apart / spread))


def random_assignment(covariates: Floats, candidate: Booleans, clusters: Integers) -> float:
    """The p-value of "the arm has nothing to do with the covariates": one test for all columns, NaN if unknown.

    Hotelling's T² of the clusters' sums s_g = Σ (a − p)(x − x̄), whose mean is zero under a random assignment of rows
    or of clusters: F = (G − k) / (k (G − 1)) · T² with k and G − k degrees of freedom.
    """
    from scipy.stats import f

    num_columns, num = covariates.shape[1], int(clusters.max()) + 1
    if num <= num_columns + 1 or num_columns == 0:
        return nan
    centred = covariates - covariates.mean(axis=0)
    weights = candidate - candidate.mean()
    sums = np.column_stack([np.bincount(clusters, weights * column, num) for column in centred.T])
    mean = sums.mean(axis=0)
    squared = num * float(mean @ np.linalg.pinv(np.cov(sums, rowvar=False).reshape(num_columns, -1)) @ mean)
    return float(f.sf(squared * (num - num_columns) / (num_columns * (num - 1)), num_columns, num - num_columns))


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """`outside`: the share of rows whose arm was nearly certain from the covariates. None: the arms are separated."""

    outside: float | None


def overlap(covariates: Floats, candidate: Booleans, clusters: Integers, *, least: float) -> Overlap:
    """Fit the propensity by logistic regression and count rows with e under `least` or over 1 − `least`.

    e is taken as it would be for arms of equal size: odds e/(1−e) divided by p/(1−p), so that a small arm alone is no
    lack of overlap. Source: Crump, Hotz, Imbens & Mitnik (2009), Biometrika 96:187.
    """
    design = np.column_stack([np.ones(len(candidate)), covariates])
    fit = fit_logistic(design, candidate.astype(np.float64), clusters)
    if not fit.converged:
        return Overlap(outside=None)
    share = candidate.mean()
    equal = expit(design @ fit.coefficients - np.log(share / (1 - share)))
    return Overlap(outside=float(((equal < least) | (equal > 1 - least)).mean()))
