"""Prompts as weighted words: what a text shows without any model."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

_WORD = re.compile(r"\w+")


def tfidf(texts: Sequence[str], *, most_words: int = 4096) -> NDArray[np.float64]:
    """`sparse_tfidf` with every zero written out."""
    return np.asarray(sparse_tfidf(texts, most_words=most_words).toarray())


def sparse_tfidf(texts: Sequence[str], *, most_words: int) -> csr_array:
    """TF-IDF over words that stand in two texts or more, the most frequent `most_words`: rows of length 1 (or 0).

    (1 + ln tf) · (ln((1 + N)/(1 + df)) + 1), in lower case. Source: Salton & Buckley (1988), Inf. Proc. Man. 24:513.
    """
    counted = [Counter(_WORD.findall(text.lower())) for text in texts]
    frequency = Counter(word for words in counted for word in words)
    shared = sorted((word for word, num in frequency.items() if num > 1), key=lambda word: (-frequency[word], word))
    place = {word: number for number, word in enumerate(shared[:most_words])}
    rarity = np.log((1 + len(texts)) / (1 + np.array([frequency[word] for word in place]))) + 1
    known = [[(place[word], num) for word, num in words.items() if word in place] for words in counted]
    cells = np.array([cell for row in known for cell in row], dtype=np.int64).reshape(-1, 2)
    starts = np.cumsum([0, *map(len, known)])
    values = (1 + np.log(cells[:, 1])) * rarity[cells[:, 0]]
    found = csr_array((values, cells[:, 0], starts), shape=(len(texts), max(1, len(place))))
    lengths = np.sqrt(found.multiply(found).sum(axis=1))
    found.data /= np.repeat(lengths, np.diff(starts))
    return found
