"""Two classes as clusters: silhouettes, the Davies–Bouldin index, and the plane that shows most of them.

N prompts, X (N, d) their states, `unsafe` (N,) True for the second class.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_BLOCK_ROWS = 256


def silhouettes(states: Floats, unsafe: Flags) -> Floats:
    """(b − a) / max(a, b) of every prompt, a and b its mean distances to its own class and the other: (N,).

    0 for the only prompt of its class, and where both distances are zero. Needs one block of 256 rows of distances
    at a time. Source: Rousseeuw (1987), J. Comput. Appl. Math. 20:53.
    """
    norms, counts = np.einsum("nd,nd->n", states, states), np.array([np.sum(~unsafe), np.sum(unsafe)])
    members = np.stack([~unsafe, unsafe], axis=1).astype(np.float64)
    found = np.empty(len(states))
    for start in range(0, len(states), _BLOCK_ROWS):
        rows = np.arange(start, min(start + _BLOCK_ROWS, len(states)))
        squared = norms[rows, None] + norms - 2 * states[rows] @ states.T
        squared[np.arange(len(rows)), rows] = 0.0
        sums = np.sqrt(np.maximum(squared, 0.0)) @ members
        side = unsafe[rows].astype(int)
        own, other = sums[np.arange(len(rows)), side], sums[np.arange(len(rows)), 1 - side] / counts[1 - side]
        inner = own / np.maximum(counts[side] - 1, 1)
        largest = np.maximum(inner, other)
        value = np.divide(other - inner, largest, out=np.zeros(len(rows)), where=largest > 0)
        found[rows] = np.where(counts[side] > 1, value, 0.0)
    return found


def davies_bouldin(states: Floats, unsafe: Flags) -> float:
    """(s₁ + s₂) / ‖m₁ − m₂‖, s the mean distance of a class from its mean; low is apart; NaN for equal means.

    Source: Davies & Bouldin (1979), IEEE TPAMI 1:224.
    """
    means = [states[side].mean(axis=0) for side in (~unsafe, unsafe)]
    gap = float(np.linalg.norm(means[0] - means[1]))
    sizes = [
        float(np.linalg.norm(states[side] - mean, axis=1).mean())
        for side, mean in zip((~unsafe, unsafe), means, strict=True)
    ]
    return sum(sizes) / gap if gap > 0 else np.nan


def principal_plane(states: Floats) -> tuple[Floats, Floats]:
    """The first two principal components: coordinates (N, 2), and the share of the variance that each shows (2,).

    They know no labels. The sign of each is that of its largest coordinate, so that the same states look the same.
    """
    centred = states - states.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False) if min(centred.shape) < 2 else _leading(centred)
    places = np.zeros((len(states), 2))
    places[:, : min(2, len(sizes))] = (left * sizes)[:, :2]
    signs = np.sign(places[np.abs(places).argmax(axis=0), [0, 1]])
    total = float(np.sum(centred**2))
    shares = np.zeros(2)
    shares[: min(2, len(sizes))] = sizes[:2] ** 2 / total if total > 0 else 0.0
    return places * np.where(signs == 0, 1.0, signs), shares


def _leading(centred: Floats) -> tuple[Floats, Floats, None]:
    """Left singular vectors and values from the smaller of the two Gram matrices, largest first."""
    tall = centred.shape[0] > centred.shape[1]
    values, vectors = np.linalg.eigh(centred.T @ centred if tall else centred @ centred.T)
    sizes = np.sqrt(np.maximum(values[::-1][:2], 0.0))
    leading = vectors[:, ::-1][:, :2]
    if not tall:
        return leading, sizes, None
    shown = centred @ leading
    return np.divide(shown, sizes, out=np.zeros_like(shown), where=sizes > 0), sizes, None
