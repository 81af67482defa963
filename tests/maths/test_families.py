"""Families equal connected components; who goes has somebody who stays."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from finetune_lab.maths.families import Families, keep_first


def test_families_are_connected_components():
    rng = np.random.default_rng(0)
    ones, others = rng.integers(0, 500, (2, 400))
    families = Families(500)
    for part in np.array_split(np.arange(400), 7):
        families.join(ones[part], others[part])
    _, due = connected_components(coo_array((np.ones(400), (ones, others)), shape=(500, 500)), directed=False)
    first = {label: int(np.flatnonzero(due == label)[0]) for label in set(due.tolist())}
    assert families.firsts().tolist() == [first[label] for label in due.tolist()]


def test_all_pairs_of_one_family_are_soon_done():
    ones, others = (part.ravel() for part in np.meshgrid(np.arange(2000), np.arange(2000)))
    families = Families(2000)
    families.join(ones, others)
    assert set(families.firsts().tolist()) == {0}


def test_of_a_chain_the_middle_goes_and_the_ends_stay():
    place = np.array([0.0, 1.0, 2.0, 10.0, 3.0, 2.0])  # like = at most 1 apart
    families = Families(6)
    families.join(np.array([0, 1, 2, 2]), np.array([1, 2, 4, 5]))
    kept = keep_first(families.firsts(), lambda a, b: -np.abs(place[a] - place[b]), at_least=-1)
    assert kept.keeper.tolist() == [0, 0, 2, 3, 2, 2]
    assert kept.similarity.tolist() == [1.0, -1.0, 1.0, 1.0, -1.0, 0.0]


def test_equals_the_plain_walk():
    rng = np.random.default_rng(1)
    points = rng.random((300, 2))

    def near(a, b):
        return -np.linalg.norm(points[a] - points[b], axis=1)

    pairs = np.argwhere(np.triu(np.linalg.norm(points[:, None] - points[None], axis=2) <= 0.08, 1))
    families = Families(300)
    families.join(pairs[:, 0], pairs[:, 1])
    stays = []
    for row in range(300):
        if not any(near(np.array([one]), np.array([row]))[0] >= -0.08 for one in stays):
            stays.append(row)
    kept = keep_first(families.firsts(), near, at_least=-0.08)
    assert np.flatnonzero(kept.keeper == np.arange(300)).tolist() == stays
