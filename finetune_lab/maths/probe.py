"""A linear probe that never sees the groups it judges: ridge scores out of fold, AUROC, true positives at a false rate.

N prompts, n₁ safe and n₂ unsafe, X (N, d), `unsafe` (N,) True for the class that scores should be high for; F folds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


def group_folds(groups: Sequence[str], unsafe: Flags, *, num_folds: int, generator: np.random.Generator) -> Numbers:
    """The fold of every prompt, (N,): a group stays whole, and each fold gets about its share of both labels.

    Groups are dealt out in random order, the larger first, each to the fold that then is least uneven. There are
    never more folds than groups.
    """
    names, place = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    counts = np.stack([np.bincount(place, weights=side, minlength=len(names)) for side in (~unsafe, unsafe)], axis=1)
    num = min(num_folds, len(names))
    order = generator.permutation(len(names))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    loads, fold = np.zeros((num, 2)), np.empty(len(names), dtype=np.int64)
    share = np.maximum(counts.sum(axis=0), 1.0)
    for name in order:
        fold[name] = np.sum(((loads + counts[name]) / share) ** 2 - (loads / share) ** 2, axis=1).argmin()
        loads[fold[name]] += counts[name]
    return fold[place]


def probe_scores(states: Floats, unsafe: Flags, folds: Numbers, *, penalty: float = 1.0, scaled: bool = True) -> Floats:
    """Ridge regression of ±1 labels on X, fitted on the other folds: scores (N,), NaN where those hold one class.

    With `scaled` every dimension is first brought to unit deviation (no label is used for it). λ = `penalty` times the
    mean eigenvalue of the fitted rows' Gram matrix, so that it means the same for any width and scale; classes count
    alike whatever their sizes. Solved over rows or dimensions, whichever are fewer.
    Source: Hoerl & Kennard (1970), Technometrics 12:55.
    """
    centred, found = states - states.mean(axis=0), np.full(len(states), np.nan)
    deviation = states.std(axis=0) if scaled else np.ones(states.shape[1])
    rows = np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else None
    for fold in np.unique(folds):
        fitted, judged = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if unsafe[fitted].all() or not unsafe[fitted].any():
            continue
        weights = np.where(unsafe[fitted], 0.5 / unsafe[fitted].mean(), 0.5 / (~unsafe[fitted]).mean())
        if gram is not None:
            found[judged] = _by_rows(gram, fitted, judged, unsafe, weights, penalty)
        else:
            found[judged] = _by_dimensions(rows, fitted, judged, unsafe, weights, penalty)
    return found


def _by_rows(gram: Floats, fitted: Numbers, judged: Numbers, unsafe: Flags, weights: Floats, penalty: float) -> Floats:
    """The dual: α = (√w K √w + λ I)⁻¹ √w y over centred rows, scores K √w α."""
    share, root = weights / weights.sum(), np.sqrt(weights)
    inner, across = gram[np.ix_(fitted, fitted)], gram[np.ix_(judged, fitted)]
    middle = inner @ share
    whole = share @ middle
    inner = inner - middle[:, None] - middle + whole
    across = across - (across @ share)[:, None] - middle + whole
    target = _centred(unsafe[fitted], share) * root
    kernel = root[:, None] * inner * root
    penalised = kernel + _ridge(np.trace(kernel), len(fitted), penalty)
    return np.asarray(across @ (root * np.linalg.solve(penalised, target)))


def _by_dimensions(
    scaled: Floats, fitted: Numbers, judged: Numbers, unsafe: Flags, weights: Floats, penalty: float
) -> Floats:
    """The primal: β = (XᵀwX + λ I)⁻¹ Xᵀ w y over centred rows, scores X β; equal to the dual with the same λ."""
    share = weights / weights.sum()
    middle = share @ scaled[fitted]
    rows = (scaled[fitted] - middle) * np.sqrt(weights)[:, None]
    moment = rows.T @ rows
    target = rows.T @ (_centred(unsafe[fitted], share) * np.sqrt(weights))
    ridge = penalty * max(float(np.trace(moment)) / len(fitted), 1e-300)
    return np.asarray((scaled[judged] - middle) @ np.linalg.solve(moment + ridge * np.eye(len(moment)), target))


def _ridge(trace: float, num: int, penalty: float) -> Floats:
    return np.asarray(penalty * max(float(trace) / num, 1e-300) * np.eye(num))


def _centred(unsafe: Flags, share: Floats) -> Floats:
    target = np.where(unsafe, 1.0, -1.0)
    return np.asarray(target - share @ target)


def auroc(scores: Floats, unsafe: Flags) -> float:
    """How often an unsafe prompt scores above a safe one, ties half; NaN for one class or scores that are missing."""
    wins, losses = _ranked(scores, unsafe)
    pairs = len(wins) * len(losses)
    return float(wins.sum()) / pairs if pairs and np.all(np.isfinite(scores)) else np.nan


def auroc_within(scores: Floats, unsafe: Flags, cells: NDArray[np.str_]) -> float:
    """The AUROC over pairs of one cell alone (a source, a contrast pair); NaN where no cell holds both labels."""
    won, pairs = 0.0, 0
    for cell in np.unique(cells):
        wins, losses = _ranked(scores[cells == cell], unsafe[cells == cell])
        won, pairs = won + float(wins.sum()), pairs + len(wins) * len(losses)
    return won / pairs if pairs and np.all(np.isfinite(scores)) else np.nan


def auroc_without(scores: Floats, unsafe: Flags) -> Floats:
    """The AUROC without each prompt in turn, the probe as it is: (N,); exact, from one ranking."""
    wins, losses = _ranked(scores, unsafe)
    num, other = len(wins), len(losses)
    found = np.full(len(scores), np.nan)
    if min(num, other) < 2 or not np.all(np.isfinite(scores)):
        return found
    total = wins.sum()
    found[unsafe] = (total - wins) / ((num - 1) * other)
    found[~unsafe] = (total - losses) / (num * (other - 1))
    return found


def _ranked(scores: Floats, unsafe: Flags) -> tuple[Floats, Floats]:
    """Over how many safe ones each unsafe prompt stands (n₂,), and under how many unsafe ones each safe one (n₁,)."""
    high, low = scores[unsafe], scores[~unsafe]
    sorted_low, sorted_high = np.sort(low), np.sort(high)
    wins = (np.searchsorted(sorted_low, high, "left") + np.searchsorted(sorted_low, high, "right")) / 2
    passed = (np.searchsorted(sorted_high, low, "left") + np.searchsorted(sorted_high, low, "right")) / 2
    return wins, len(high) - passed


def true_positive_rate(scores: Floats, unsafe: Flags, *, false_rate: float = 0.01) -> float:
    """The share of unsafe prompts above a threshold that at most `false_rate` of the safe ones pass; NaN if unknown.

    With fewer than 1/`false_rate` safe prompts none may pass, so the number is a lower one than it would be with more.
    """
    if not np.all(np.isfinite(scores)) or unsafe.all() or not unsafe.any():
        return np.nan
    falling = np.sort(scores[~unsafe])[::-1]
    threshold = falling[int(np.floor(false_rate * len(falling) + 1e-9))]
    return float(np.mean(scores[unsafe] > threshold))
