"""Curves as columns of a regression: natural cubic splines for numbers, waves for the hours of a day.

x (n,) values, t₁ < … < t_m knots.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def natural_spline(values: Floats, num_columns: int) -> Floats:
    """A natural cubic spline basis (n, num_columns or fewer): straight outside its knots, which lie at quantiles.

    The first column is x itself, the others d_j − d_{m−1} with d_j = ((x − t_j)₊³ − (x − t_m)₊³) / (t_m − t_j).
    Values that pile up leave fewer knots, so fewer columns; a constant gives none.
    Source: Hastie, Tibshirani & Friedman (2009), eq. 5.4; places of knots: Harrell (2015), § 2.4.6.
    """
    if num_columns == 0 or not len(values) or values.min() == values.max():
        return np.empty((len(values), 0))
    scaled = (values - values.mean()) / values.std()
    knots = np.unique(np.quantile(scaled, np.linspace(0.05, 0.95, num_columns + 1)))
    if len(knots) < 3:
        return scaled[:, None]
    last = _cubes(scaled, knots[-2], knots[-1])
    return np.column_stack([scaled, *(_cubes(scaled, knot, knots[-1]) - last for knot in knots[:-2])])


def waves(hours: Floats, num_waves: int) -> Floats:
    """Cos and sin of 24, 12, 8, … hours (n, 2 num_waves): the end of a day meets its beginning."""
    angles = 2 * np.pi * hours / 24
    columns = [turn(number * angles) for number in range(1, num_waves + 1) for turn in (np.cos, np.sin)]
    return np.column_stack([np.empty((len(hours), 0)), *columns])


def independent(columns: Floats) -> list[int]:
    """The numbers of the columns that say something which those before them do not: constants never do."""
    centred = columns - columns.mean(axis=0)
    gram = centred.T @ centred
    size = np.einsum("nk,nk->k", columns, columns)
    kept: list[int] = []
    for number in range(columns.shape[1]):
        rest = gram[number, number]
        if kept:
            across = gram[np.ix_(kept, [number])][:, 0]
            rest -= across @ np.linalg.solve(gram[np.ix_(kept, kept)], across)
        if rest > max(1e-8 * gram[number, number], 1e-12 * size[number]):
            kept.append(number)
    return kept


def _cubes(values: Floats, knot: float, end: float) -> Floats:
    return np.asarray((np.maximum(values - knot, 0) ** 3 - np.maximum(values - end, 0) ** 3) / (end - knot))
