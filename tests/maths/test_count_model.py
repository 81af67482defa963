"""Counts: the fit is statsmodels', leaving out a cluster is what solving again without it says, and no fit is None."""

import numpy as np
import pytest

from finetune_lab.maths.count_model import fit_counts, left_out


def drawn(num_clusters=60, seed=0):
    rng = np.random.default_rng(seed)
    sizes = rng.choice([1, 2, 3, 9], num_clusters)
    clusters = rng.permutation(np.repeat(np.arange(num_clusters), sizes))
    design = np.column_stack([np.ones(len(clusters)), rng.normal(size=(len(clusters), 3))])
    offset = rng.normal(size=len(clusters)) / 2
    logs = design @ [0.5, 0.4, -0.3, 0.0] + offset + rng.normal(size=num_clusters)[clusters] / 2
    return design, rng.poisson(np.exp(logs)).astype(float), offset, clusters


def test_the_fit_is_that_of_statsmodels():
    models = pytest.importorskip("statsmodels.api")
    design, counts, offset, _ = drawn()
    theirs = models.GLM(counts, design, family=models.families.Poisson(), offset=offset).fit(scale="X2", tol=1e-12)
    ours = fit_counts(design, counts, offset)
    assert ours.coefficients == pytest.approx(theirs.params, abs=1e-7)
    assert ours.dispersion == pytest.approx(theirs.scale, rel=1e-6)
    assert np.linalg.inv(ours.information) * ours.dispersion == pytest.approx(theirs.cov_params(), abs=1e-7)


def test_leaving_out_a_cluster_is_one_newton_step_without_it_whatever_its_size():
    design, counts, offset, clusters = drawn()
    fit, direction = fit_counts(design, counts, offset), np.array([0.0, 1.0, 0.5, -1.0])
    found = left_out(design, counts, fit, clusters, direction)
    for number in range(clusters.max() + 1):
        rest = clusters != number
        information = (design[rest] * fit.means[rest, None]).T @ design[rest]
        step = np.linalg.solve(information, design[rest].T @ (counts - fit.means)[rest])
        assert found[number] == pytest.approx(-direction @ step, abs=1e-10)


def test_the_clusters_alone_make_the_covariance():
    """Without leverage the jackknife is the sandwich: statsmodels' with clusters, for many small ones."""
    models = pytest.importorskip("statsmodels.api")
    design, counts, offset, clusters = drawn(num_clusters=3000)
    theirs = models.GLM(counts, design, family=models.families.Poisson(), offset=offset).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    fit = fit_counts(design, counts, offset)
    for number in range(design.shape[1]):
        pulls = left_out(design, counts, fit, clusters, np.eye(design.shape[1])[number])
        assert np.sqrt((pulls**2).sum()) == pytest.approx(theirs.bse[number], rel=0.02)


def test_a_cluster_that_carries_a_column_alone_is_unknown():
    design, counts, offset, clusters = drawn()
    design[:, 3] = clusters == 5
    counts[clusters == 5] += 1
    found = left_out(design, counts, fit_counts(design, counts, offset), clusters, np.array([0.0, 0.0, 0.0, 1.0]))
    assert np.isnan(found[5])


def test_no_finite_maximum_is_none():
    design, counts, offset, _ = drawn()
    group = np.arange(len(counts)) < 20
    assert fit_counts(np.column_stack([design, group]), np.where(group, 0.0, counts + 1), offset) is None
    assert fit_counts(design, np.zeros(len(counts)), offset) is None
    assert fit_counts(np.column_stack([design, design[:, 1]]), counts, offset) is None


def test_far_counts_neither_overflow_nor_stall():
    design, _, offset, _ = drawn()
    fit = fit_counts(design, np.exp(12 + 3 * design[:, 1]), offset)
    assert np.isfinite(fit.coefficients).all()
    assert np.abs(design.T @ (np.exp(12 + 3 * design[:, 1]) - fit.means)).max() < 1e-3
