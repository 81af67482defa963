"""Texts as vectors without a model: TF-IDF, reduced to the directions that most of it lies in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from finetune_lab.text.tfidf import Vocabulary, sparse_tfidf

_MOST_WORDS = 50_000
_SPARE_DIRECTIONS = 10  # beyond those that are asked for, so that the last of those are right too
_ROUNDS = 4

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Latent:
    """What was fitted on some texts, to give vectors of any. `directions` [words, width]; None: the TF-IDF itself."""

    vocabulary: Vocabulary
    directions: Matrix | None

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """Vectors [texts, width], those of the texts it was fitted on among them; zeros for one without known words."""
        weighted = self.vocabulary.rows(texts)
        return np.asarray(weighted.toarray() if self.directions is None else weighted @ self.directions)


def fit_latent(texts: Sequence[str], *, width: int, seed: int) -> Latent:
    """Fit words, their weights and the directions of `latent` on `texts`, for texts that come later."""
    vocabulary = Vocabulary.of(texts, most_words=_MOST_WORDS)
    parts = _decomposed(vocabulary.rows(texts), width=width, seed=seed)
    return Latent(vocabulary=vocabulary, directions=None if parts is None else parts[1])


def latent(texts: Sequence[str], *, width: int, seed: int) -> Matrix:
    """Vectors [texts, at most width], fitted on the texts themselves (latent semantic analysis).

    A row of zeros is a text that shares no word with any other. Where there are no more texts or words than `width`,
    the vectors are the TF-IDF itself.
    Sources: Deerwester et al. (1990), JASIS 41:391; Halko, Martinsson & Tropp (2011), SIAM Review 53:217, alg. 4.4.
    """
    weighted = sparse_tfidf(texts, most_words=_MOST_WORDS)
    parts = _decomposed(weighted, width=width, seed=seed)
    return np.asarray(weighted.toarray()) if parts is None else parts[0]


def _decomposed(weighted: csr_array, *, width: int, seed: int) -> tuple[Matrix, Matrix] | None:
    """The rows in their leading directions [rows, width], and these themselves [words, width]; None: too few."""
    if min(weighted.shape) <= width + _SPARE_DIRECTIONS:
        return None
    start = np.random.default_rng(seed).standard_normal((weighted.shape[1], width + _SPARE_DIRECTIONS))
    basis, _ = np.linalg.qr(weighted @ start)
    for _ in range(_ROUNDS):
        other, _ = np.linalg.qr(weighted.T @ basis)
        basis, _ = np.linalg.qr(weighted @ other)
    left, values, right = np.linalg.svd((weighted.T @ basis).T, full_matrices=False)
    return np.asarray(basis @ left[:, :width] * values[:width]), np.asarray(right[:width].T)
