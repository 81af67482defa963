"""Prompts as weighted words: what a text shows without any model."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+")


def tfidf(texts: Sequence[str], *, most_words: int = 4096) -> NDArray[np.float64]:
    """TF-IDF over words that stand in two texts or more, the most frequent `most_words`: rows of length 1 (or 0).

    (1 + ln tf) · (ln((1 + N)/(1 + df)) + 1), in lower case. Source: Salton & Buckley (1988), Inf. Proc. Man. 24:513.
    """
    counted = [Counter(_WORD.findall(text.lower())) for text in texts]
    frequency = Counter(word for words in counted for word in words)
    shared = sorted((word for word, num in frequency.items() if num > 1), key=lambda word: (-frequency[word], word))
    place = {word: number for number, word in enumerate(shared[:most_words])}
    found = np.zeros((len(texts), max(1, len(place))))
    for row, words in enumerate(counted):
        for word, num in words.items():
            if word in place:
                rarity = np.log((1 + len(texts)) / (1 + frequency[word])) + 1
                found[row, place[word]] = (1 + np.log(num)) * rarity
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.divide(found, lengths, out=found, where=lengths > 0)
