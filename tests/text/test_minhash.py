"""MinHash: signatures estimate Jaccard, planted pairs are found, what is found is right, big runs end."""

from itertools import combinations

import numpy as np
import pytest

from finetune_lab.text.minhash import Banding, jaccard, least_values, near_families, nearest_across, tuned
from finetune_lab.text.shingles import Shingles, shingles

BANDING = tuned(0.8, recall=0.99, num_permutations=64)


def words(rng, num: int) -> list[str]:
    return [f"w{number}" for number in rng.integers(0, 1_000_000, num)]


def planted(rng, num_pairs: int, *, changed: int = 5) -> list[str]:
    """Pairs of 47 words, 45 runs of three; the last `changed` differ: J = (45 − changed) / (45 + changed)."""
    texts = []
    for _ in range(num_pairs):
        one = words(rng, 47)
        texts += [" ".join(one), " ".join(one[: 47 - changed] + words(rng, changed))]
    return texts


def exact(texts: list[str]) -> dict[tuple[int, int], float]:
    sets = [{tuple(t.split()[i : i + 3]) for i in range(len(t.split()) - 2)} for t in texts]
    return {(i, j): len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for i, j in combinations(range(len(texts)), 2)}


def linked(labels) -> set[tuple[int, int]]:
    return {(i, j) for i, j in combinations(range(len(labels)), 2) if labels[i] == labels[j]}


def test_the_exact_similarity_is_exact():
    rng = np.random.default_rng(0)
    texts = [*planted(rng, 4, changed=7), "a b c d", "b c d e", ""]
    due = exact(texts)
    pairs = np.array([pair for pair in due if len(texts) - 1 not in pair])
    sets = shingles(texts, unit="word", size=3)
    found = jaccard(sets, sets, (pairs[:, 0], pairs[:, 1]))
    assert found.tolist() == pytest.approx([due[tuple(pair)] for pair in pairs.tolist()])
    empty = np.array([len(texts) - 1])
    assert jaccard(sets, sets, (empty, empty)).tolist() == [0.0]


def test_signatures_estimate_the_similarity_without_bias():
    """The mean over many pairs lies within four standard errors, and single estimates scatter as theory says."""
    sets = shingles(planted(np.random.default_rng(1), 400, changed=15), unit="word", size=3)
    signatures = least_values(sets, num_permutations=100, seed=0)
    same = (signatures[::2] == signatures[1::2]).mean(axis=1)
    theory = np.sqrt(0.5 * 0.5 / 100)
    assert same.mean() == pytest.approx(0.5, abs=4 * theory / np.sqrt(400))
    assert same.std() == pytest.approx(theory, rel=0.2)


def test_planted_pairs_at_the_threshold_are_found_and_nothing_else():
    texts = planted(np.random.default_rng(2), 1000)
    sets = shingles(texts, unit="word", size=3)
    labels = near_families(sets, threshold=0.8, banding=BANDING, seed=0).labels
    assert (labels[::2] == labels[1::2]).mean() >= 0.95
    assert len(np.unique(labels)) >= 1000  # no two pairs have come together


def test_families_are_those_of_all_pairs_compared():
    """Rows around the threshold, many in one run: all direct links and only those, at bands that miss nothing."""
    rng = np.random.default_rng(3)
    base = words(rng, 40)
    texts = [" ".join(base[: 40 - cut] + words(rng, cut)) for cut in rng.integers(0, 12, 60)]
    due = {pair for pair, value in exact(texts).items() if value >= 0.8}
    sets = shingles(texts, unit="word", size=3)
    families = near_families(sets, threshold=0.8, banding=Banding(num_bands=60, num_values=1), seed=0)
    reached = linked(families.labels)
    assert due <= reached
    graph = {i: {j for pair in due for j in pair if i in pair} | {i} for i in range(len(texts))}
    for i, j in reached:  # and whoever belongs together is joined by links
        seen, waiting = {i}, [i]
        while waiting:
            waiting = [k for k in graph[waiting.pop()] if k not in seen and not seen.add(k)] + waiting
        assert j in seen


def test_many_of_the_same_and_empty_texts():
    texts = ["one two three four"] * 3000 + [""] * 3000 + ["!!"] + ["five six seven"]
    labels = near_families(shingles(texts, unit="word", size=3), threshold=0.8, banding=BANDING, seed=0).labels
    assert len(set(labels[:3000].tolist())) == 1
    assert len(set(labels[3000:].tolist())) == 3002


def test_a_long_run_of_equal_keys_ends_when_it_is_one_family():
    """10,000 different rows that are all alike: 5·10⁷ pairs, of which few are looked at."""
    body = [f"w{number}" for number in range(60)]
    texts = [" ".join([*body, f"x{number}"]) for number in range(10_000)]
    labels = near_families(shingles(texts, unit="word", size=3), threshold=0.8, banding=BANDING, seed=0).labels
    assert len(np.unique(labels)) == 1


def test_the_nearest_of_another_collection():
    rng = np.random.default_rng(4)
    texts = planted(rng, 200, changed=3)
    known = shingles([*texts[::2], texts[1]], unit="word", size=3)  # the last is the very same as the first asked
    asked = shingles([*texts[1::2], " ".join(words(rng, 40)), ""], unit="word", size=3)
    found = nearest_across(known, asked, threshold=0.8, banding=BANDING, seed=0)
    assert found.rows[0] == 200
    assert found.similarity[0] == 1
    assert (found.rows[1:200] == np.arange(1, 200)).mean() > 0.98
    assert found.rows[200:].tolist() == [-1, -1]


def test_many_of_the_same_on_both_sides_are_compared_once():
    """20,000 times 20,000 of the same are no 4·10⁸ comparisons."""
    sets = shingles(["one two three four"] * 20_000 + ["", "five six seven eight"], unit="word", size=3)
    found = nearest_across(sets, sets, threshold=0.8, banding=BANDING, seed=0)
    assert found.rows.tolist() == [0] * 20_000 + [-1, 20_001]
    assert found.similarity.tolist() == [1.0] * 20_000 + [0.0, 1.0]


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_tuning_keeps_its_promise(threshold):
    banding = tuned(threshold, recall=0.98, num_permutations=128)
    assert banding.chance(threshold) >= 0.98
    assert banding.num_bands * banding.num_values <= 128


def test_too_few_permutations_are_told():
    with pytest.raises(ValueError, match="too few"):
        tuned(0.1, recall=0.999, num_permutations=4)


def test_nothing_to_compare():
    empty = Shingles(hashes=np.zeros(0, dtype=np.uint64), starts=np.zeros(1, dtype=np.int64))
    assert len(near_families(empty, threshold=0.8, banding=BANDING, seed=0).labels) == 0
