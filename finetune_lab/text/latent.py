"""Texts as vectors without a model: TF-IDF, reduced to the directions that most of it lies in."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finetune_lab.text.tfidf import sparse_tfidf

_MOST_WORDS = 50_000
_SPARE_DIRECTIONS = 10  # beyond those that are asked for, so that the last of those are right too
_ROUNDS = 4


def latent(texts: Sequence[str], *, width: int, seed: int) -> NDArray[np.float64]:
    """Vectors [texts, at most width], fitted on the texts themselves (latent semantic analysis).

    A row of zeros is a text that shares no word with any other. Where there are no more texts or words than `width`,
    the vectors are the TF-IDF itself.
    Sources: Deerwester et al. (1990), JASIS 41:391; Halko, Martinsson & Tropp (2011), SIAM Review 53:217, alg. 4.4.
    """
    weighted = sparse_tfidf(texts, most_words=_MOST_WORDS)
    if min(weighted.shape) <= width + _SPARE_DIRECTIONS:
        return np.asarray(weighted.toarray())
    start = np.random.default_rng(seed).standard_normal((weighted.shape[1], width + _SPARE_DIRECTIONS))
    basis, _ = np.linalg.qr(weighted @ start)
    for _ in range(_ROUNDS):
        other, _ = np.linalg.qr(weighted.T @ basis)
        basis, _ = np.linalg.qr(weighted @ other)
    left, values, _ = np.linalg.svd((weighted.T @ basis).T, full_matrices=False)
    return np.asarray(basis @ left[:, :width] * values[:width])
