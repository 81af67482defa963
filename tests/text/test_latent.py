"""TF-IDF in few directions: cosines of the truncated SVD, the same on every call; small sets stay as they are."""

import numpy as np
import pytest

from finetune_lab.text.latent import fit_latent, latent
from finetune_lab.text.tfidf import sparse_tfidf


def texts() -> list[str]:
    """Ten topics of their own words, and a little noise."""
    rng = np.random.default_rng(0)
    topics = [[f"t{topic}w{word}" for word in range(12)] for topic in range(10)]
    return [" ".join([*rng.choice(topics[row % 10], 8), f"noise{rng.integers(0, 40)}"]) for row in range(300)]


def test_the_vectors_are_those_of_the_exact_decomposition():
    left, values, _ = np.linalg.svd(sparse_tfidf(texts(), most_words=50_000).toarray(), full_matrices=False)
    due = left[:, :10] * values[:10]
    found = latent(texts(), width=10, seed=0)
    assert found @ found.T == pytest.approx(due @ due.T, abs=1e-3)  # the directions themselves have no sign


def test_twice_the_same_and_texts_of_a_topic_are_near():
    one, other = latent(texts(), width=10, seed=0), latent(texts(), width=10, seed=0)
    assert np.array_equal(one, other)
    unit = one / np.linalg.norm(one, axis=1, keepdims=True)
    cosines = unit @ unit.T
    same = np.equal.outer(np.arange(300) % 10, np.arange(300) % 10)
    assert cosines[same].mean() > 0.9
    assert np.abs(cosines[~same]).mean() < 0.1


def test_few_texts_stay_as_they_are():
    few = ["a b", "b a", "c c", "c", ""]
    assert np.array_equal(latent(few, width=100, seed=0), sparse_tfidf(few, most_words=10).toarray())


def test_texts_that_come_later_have_vectors_too():
    fitted = fit_latent(texts(), width=10, seed=0)
    own, due = fitted.vectors(texts()), latent(texts(), width=10, seed=0)
    assert own @ own.T == pytest.approx(due @ due.T, abs=1e-2)
    new = fitted.vectors(["t3w1 t3w5 never-seen", "never-seen", ""])
    cosines = own @ new[0] / np.linalg.norm(own, axis=1) / np.linalg.norm(new[0])
    assert set(np.argsort(-cosines)[:20] % 10) == {3}
    assert not new[1:].any()
    assert np.array_equal(fitted.vectors(texts()[:1]), own[:1])  # alone or among others


def test_where_nothing_is_reduced_later_texts_are_weighted_words():
    fitted = fit_latent(["a b", "b a", "c c", "c"], width=100, seed=0)
    assert fitted.directions is None
    assert np.linalg.norm(fitted.vectors(["a b", "z"]), axis=1) == pytest.approx([1, 0])
