"""The probe, its folds and rates; labels permuted where it is fair; silhouettes and the plane, against plain loops."""

import numpy as np
import pytest

from finetune_lab.maths.cluster_shape import davies_bouldin, principal_plane, silhouettes
from finetune_lab.maths.label_permutation import length_bins, max_test, permuted_labels
from finetune_lab.maths.probe import auroc, auroc_within, auroc_without, group_folds, probe_scores, true_positive_rate


def states(num, width, effect=0.0, seed=0):
    generator = np.random.default_rng([seed, num, width])
    unsafe = generator.random(num) < 0.4
    found = generator.normal(size=(num, width))
    found[unsafe, 0] += effect
    return found, unsafe


def test_folds_keep_groups_whole_and_labels_even():
    groups = [f"g{number // 3}" for number in range(150)]
    unsafe = np.arange(150) % 3 == 0
    folds = group_folds(groups, unsafe, num_folds=5, generator=np.random.default_rng(0))
    assert len({(group, fold) for group, fold in zip(groups, folds.tolist(), strict=True)}) == 50
    assert np.bincount(folds).tolist() == [30] * 5
    assert np.bincount(folds, weights=unsafe).tolist() == [10] * 5
    assert len(set(group_folds(["a", "b"] * 4, unsafe[:8], num_folds=5, generator=np.random.default_rng(0)))) == 2


def test_one_sided_groups_spread_over_folds():
    unsafe = np.arange(40) < 20
    folds = group_folds(list(map(str, range(40))), unsafe, num_folds=4, generator=np.random.default_rng(1))
    assert np.bincount(folds[unsafe]).tolist() == [5] * 4


def ridge(x, y, fitted, judged):
    """Weighted ridge with an unpenalised intercept, by the normal equations of the definition."""
    weights = np.where(y[fitted], 0.5 / y[fitted].mean(), 0.5 / (~y[fitted]).mean())
    target, rows = np.where(y[fitted], 1.0, -1.0), x[fitted]
    centre = np.average(rows, axis=0, weights=weights)
    ridge = np.sum(weights[:, None] * (rows - centre) ** 2) / len(rows)
    design = np.hstack([rows, np.ones((len(rows), 1))])
    penalty = ridge * np.diag([1.0] * x.shape[1] + [0.0])
    beta = np.linalg.solve(design.T @ (weights[:, None] * design) + penalty, design.T @ (weights * target))
    return x[judged] @ beta[:-1] + beta[-1] - np.average(target, weights=weights)


@pytest.mark.parametrize(("num", "width"), [(60, 8), (40, 90)])
def test_the_probe_is_ridge_regression_on_the_other_folds(num, width):
    x, y = states(num, width, effect=1.0)
    folds = np.arange(num) % 4
    found = probe_scores(x, y, folds)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    for fold in range(4):
        due = ridge(scaled, y, np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
        assert found[folds == fold] == pytest.approx(due, abs=1e-9)


def test_the_probe_sees_an_effect_and_none_where_there_is_none():
    x, y = states(400, 30, effect=2.0)
    blind, _ = states(400, 30, seed=9)
    folds = group_folds(list(map(str, range(400))), y, num_folds=5, generator=np.random.default_rng(0))
    assert auroc(probe_scores(x, y, folds), y) > 0.85
    chance = [auroc(probe_scores(states(400, 30, seed=s)[0], y, folds), y) for s in range(20)]
    assert np.mean(chance) == pytest.approx(0.5, abs=0.03)
    assert auroc(probe_scores(blind, y, folds), y) < 0.6


def test_a_group_that_is_split_would_show_what_is_not_there():
    """Copies of a prompt carry its label into another fold; folds by group do not let them."""
    generator = np.random.default_rng(0)
    base, y = generator.normal(size=(40, 200)), generator.random(40) < 0.5
    x, unsafe, groups = np.repeat(base, 5, axis=0), np.repeat(y, 5), np.repeat(np.arange(40), 5)
    named = [str(group) for group in groups]
    whole = group_folds(named, unsafe, num_folds=5, generator=np.random.default_rng(0))
    assert auroc(probe_scores(x, unsafe, np.arange(200) % 5), unsafe) > 0.95
    assert 0.2 < auroc(probe_scores(x, unsafe, whole), unsafe) < 0.8


def test_a_fold_whose_rest_holds_one_label_is_unscored():
    x, _ = states(8, 3)
    unsafe = np.arange(8) < 2
    scores = probe_scores(x, unsafe, np.array([0, 0, 1, 1, 1, 1, 1, 1]))
    assert np.isnan(scores[:2]).all()
    assert np.isnan(auroc(scores, unsafe))
    assert np.isnan(true_positive_rate(scores, unsafe))


def test_auroc_counts_pairs_and_ties_half():
    scores, unsafe = np.array([1.0, 2.0, 2.0, 3.0, 0.0]), np.array([False, False, True, True, True])
    wins = [(h > low) + 0.5 * (h == low) for h in scores[unsafe] for low in scores[~unsafe]]
    assert auroc(scores, unsafe) == pytest.approx(np.mean(wins))
    generator = np.random.default_rng(0)
    scores, unsafe = generator.integers(0, 6, 30).astype(float), generator.random(30) < 0.5
    due = [auroc(np.delete(scores, row), np.delete(unsafe, row)) for row in range(30)]
    assert auroc_without(scores, unsafe) == pytest.approx(due)
    assert np.isnan(auroc(scores, np.ones(30, dtype=bool)))


def test_auroc_within_cells_compares_only_what_shares_one():
    scores = np.array([0.0, 1.0, 10.0, 11.0, 5.0])
    unsafe, cells = np.array([False, True, False, True, True]), np.array(["a", "a", "b", "b", "c"])
    assert auroc_within(scores, unsafe, cells) == 1.0
    assert auroc(scores, unsafe) < 1.0
    assert np.isnan(auroc_within(scores, unsafe, np.array(list("vwxyz"))))


def test_true_positives_at_a_false_rate():
    safe, unsafe = np.arange(200.0), np.array([197.5, 198.5, 199.5, 50.0])
    scores, flags = np.concatenate([safe, unsafe]), np.arange(204) >= 200
    assert true_positive_rate(scores, flags) == 0.75  # two of 200 may pass: the threshold is 197
    assert true_positive_rate(scores, flags, false_rate=0.0) == 0.25
    few = np.concatenate([safe[:50], [49.5]])
    assert true_positive_rate(few, np.arange(51) == 50) == 1.0


def test_labels_move_within_strata_pairs_and_whole_groups():
    unsafe = np.array([True, False, True, False, True, True, False, False, True])
    groups = ["p", "p", "a", "b", "c", "c", "d", "d", "e"]
    strata = [0, 0, 1, 1, 2, 2, 2, 2, 3]
    found = permuted_labels(unsafe, strata=strata, groups=groups, num=500, generator=np.random.default_rng(0))
    labels = found.labels
    assert found.num_exchangeable == 8  # all but e, alone in its stratum
    for block in ([0, 1], [2, 3], [4, 5, 6, 7], [8]):
        assert (labels[:, block].sum(axis=1) == unsafe[block].sum()).all()
    assert (labels[:, 4] == labels[:, 5]).all()
    assert (labels[:, 6] == labels[:, 7]).all()
    assert labels[:, :8].mean(axis=0) == pytest.approx([0.5] * 8, abs=0.1)


def test_length_bins_are_even_and_keep_equal_lengths_together():
    assert np.bincount(length_bins(np.arange(100.0))).tolist() == [25] * 4
    assert set(length_bins(np.full(10, 3.0)).tolist()) == {0}


def test_the_largest_layer_is_tested_against_the_largest():
    generator = np.random.default_rng(0)
    null = generator.normal(size=(999, 10)) * np.arange(1, 11)
    quiet = max_test(np.zeros(10), null)
    assert min(quiet) > 0.9
    loud = np.zeros(10)
    loud[3] = 4 * 6.0
    found = max_test(loud, null)
    assert found[3] == pytest.approx(0.001)
    assert min(np.delete(found, 3)) > 0.5
    false = [min(max_test(row, null)) < 0.05 for row in generator.normal(size=(400, 10)) * np.arange(1, 11)]
    assert 0.02 < np.mean(false) < 0.08
    assert np.isnan(max_test(np.array([np.nan, 1.0]), np.array([[np.nan, 1.0]] * 3))).all()


def test_silhouettes_equal_the_double_loop(monkeypatch):
    x, unsafe = states(30, 4, effect=1.0)
    x[1] = x[0]
    apart = np.linalg.norm(x[:, None] - x, axis=-1)
    due = []
    for row in range(30):
        own = [apart[row, n] for n in range(30) if n != row and unsafe[n] == unsafe[row]]
        other = [apart[row, n] for n in range(30) if unsafe[n] != unsafe[row]]
        due.append((np.mean(other) - np.mean(own)) / max(np.mean(other), np.mean(own)))
    monkeypatch.setattr("finetune_lab.maths.cluster_shape._BLOCK_ROWS", 7)
    assert silhouettes(x, unsafe) == pytest.approx(due, abs=1e-6)
    lonely = silhouettes(x, np.arange(30) == 4)
    assert lonely[4] == 0.0


def test_davies_bouldin_equals_its_definition():
    x, unsafe = states(30, 4, effect=1.0)
    centres = [x[side].mean(axis=0) for side in (unsafe, ~unsafe)]
    sizes = [np.mean(np.linalg.norm(x[side] - x[side].mean(axis=0), axis=1)) for side in (unsafe, ~unsafe)]
    assert davies_bouldin(x, unsafe) == pytest.approx(sum(sizes) / np.linalg.norm(centres[0] - centres[1]))
    assert np.isnan(davies_bouldin(np.ones((4, 2)), np.arange(4) > 1))


@pytest.mark.parametrize(("num", "width"), [(30, 5), (8, 40), (6, 1)])
def test_the_plane_is_that_of_the_singular_vectors(num, width):
    x, _ = states(num, width)
    places, shares = principal_plane(x)
    centred = x - x.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(2, width)
    assert np.abs(places[:, :kept]) == pytest.approx(np.abs(left * sizes)[:, :kept], abs=1e-9)
    assert shares[:kept] == pytest.approx((sizes**2 / np.sum(sizes**2))[:kept])
    assert all(column[np.abs(column).argmax()] >= 0 for column in places.T)
