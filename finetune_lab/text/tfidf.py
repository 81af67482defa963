"""Prompts as weighted words: what a text shows without any model."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Words by their number, and how rare each is: ln((1 + N)/(1 + df)) + 1."""

    words: tuple[str, ...]
    rarity: NDArray[np.float64]

    @classmethod
    def of(cls, texts: Sequence[str], *, most_words: int) -> "Vocabulary":
        """The words that stand in two of `texts` or more, the most frequent `most_words`."""
        return _fitted(_counted(texts), most_words)

    def rows(self, texts: Sequence[str]) -> csr_array:
        """TF-IDF of any texts over these words: rows of length 1, or 0 where a text has none of them."""
        return _weighted(_counted(texts), self)


def tfidf(texts: Sequence[str], *, most_words: int = 4096) -> NDArray[np.float64]:
    """`sparse_tfidf` with every zero written out."""
    return np.asarray(sparse_tfidf(texts, most_words=most_words).toarray())


def sparse_tfidf(texts: Sequence[str], *, most_words: int) -> csr_array:
    """TF-IDF over words that stand in two texts or more, the most frequent `most_words`: rows of length 1 (or 0).

    (1 + ln tf) · (ln((1 + N)/(1 + df)) + 1), in lower case. Source: Salton & Buckley (1988), Inf. Proc. Man. 24:513.
    """
    counted = _counted(texts)
    return _weighted(counted, _fitted(counted, most_words))


def _counted(texts: Sequence[str]) -> list[Counter[str]]:
    return [Counter(_WORD.findall(text.lower())) for text in texts]


def _fitted(counted: Sequence[Counter[str]], most_words: int) -> Vocabulary:
    frequency = Counter(word for words in counted for word in words)
    shared = sorted((word for word, num in frequency.items() if num > 1), key=lambda word: (-frequency[word], word))
    words = tuple(shared[:most_words])
    rarity = np.log((1 + len(counted)) / (1 + np.array([frequency[word] for word in words]))) + 1
    return Vocabulary(words=words, rarity=rarity)


def _weighted(counted: Sequence[Counter[str]], vocabulary: Vocabulary) -> csr_array:
    place = {word: number for number, word in enumerate(vocabulary.words)}
    known = [[(place[word], num) for word, num in words.items() if word in place] for words in counted]
    cells = np.array([cell for row in known for cell in row], dtype=np.int64).reshape(-1, 2)
    starts = np.cumsum([0, *map(len, known)])
    values = (1 + np.log(cells[:, 1])) * vocabulary.rarity[cells[:, 0]]
    found = csr_array((values, cells[:, 0], starts), shape=(len(counted), max(1, len(place))))
    lengths = np.sqrt(found.multiply(found).sum(axis=1))
    found.data /= np.repeat(lengths, np.diff(starts))
    return found
