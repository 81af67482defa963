"""TF-IDF by hand."""

import numpy as np
import pytest

from finetune_lab.text.tfidf import Vocabulary, tfidf


def test_words_of_one_text_are_left_out_and_rows_have_length_one():
    found = tfidf(["a cat, a dog", "A dog", "the cat", "bird"])
    rare = np.log(5 / 3) + 1
    due = np.array([[(1 + np.log(2)) * rare, rare, rare], [rare, 0, rare], [0, rare, 0]])  # a, cat, dog
    assert found[:3] == pytest.approx(due / np.linalg.norm(due, axis=1, keepdims=True))
    assert found[3].tolist() == [0, 0, 0]


def test_only_the_most_frequent_words_count():
    assert tfidf(["a b", "a b", "a"], most_words=1).shape == (3, 1)
    assert tfidf(["x", "y"]).tolist() == [[0.0], [0.0]]


def test_new_texts_are_weighted_by_the_old_ones():
    old = ["red boat", "red sail", "blue boat", "red boat sail"]
    vocabulary = Vocabulary.of(old, most_words=10)
    assert np.array_equal(vocabulary.rows(old).toarray(), tfidf(old, most_words=10))
    new = vocabulary.rows(["red boat blue", "blue", "red boat"]).toarray()
    assert np.array_equal(new[0], tfidf(old, most_words=10)[0])  # blue stands in one text alone: no word of theirs
    assert not new[1].any()
    assert Vocabulary.of(["a", "b"], most_words=10).rows(["a"]).toarray().tolist() == [[0.0]]
