"""The order of rows: a pure function of lengths, seed and steps, that wastes little and forgets no row."""

from random import Random

import pytest

from finetune_lab.records import Tokens
from finetune_lab.training.order import row_order
from finetune_lab.training.rows import IGNORED, collate


def lengths(num: int, seed: int = 0) -> list[int]:
    random = Random(seed)
    return [int(random.lognormvariate(4, 0.8)) + 1 for _ in range(num)]


@pytest.mark.parametrize(("num", "size"), [(40, 4), (41, 4), (3, 8), (1, 4), (8, 8), (17, 1)])
def test_every_epoch_sees_every_row_but_what_is_less_than_a_batch(num: int, size: int) -> None:
    per_epoch = max(1, num // size)
    order = row_order(lengths(num), batch_size=size, num_batches=3 * per_epoch, seed=0)
    assert len(order) == 3 * per_epoch * size
    for epoch in range(3):
        seen = order[epoch * per_epoch * size : (epoch + 1) * per_epoch * size]
        if num >= size:
            assert len(set(seen)) == len(seen) == num - num % size
        else:
            assert set(seen) == set(range(num))


def test_what_is_left_over_is_drawn_anew() -> None:
    order = row_order(lengths(7), batch_size=4, num_batches=60, seed=0)
    assert set(order) == set(range(7))


def test_seed_and_epoch_decide_and_nothing_else() -> None:
    given = lengths(50)
    first = row_order(given, batch_size=4, num_batches=36, seed=1)
    Random().random()
    assert row_order(given, batch_size=4, num_batches=36, seed=1) == first
    assert row_order(given, batch_size=4, num_batches=36, seed=2) != first
    assert first[:48] != first[48:96]  # the second epoch is not the first
    assert (
        row_order(given, batch_size=4, num_batches=9, seed=1) == first[:36]
    )  # a longer training begins like a shorter


def padded(order: list[int], given: list[int], size: int) -> int:
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return sum(size * max(given[row] for row in batch) - sum(given[row] for row in batch) for batch in batches)


def test_batches_are_mixed_over_the_lengths() -> None:
    """A batch of one window is not always the longest of all rows: neighbours in length meet other rows each epoch."""
    given, size = lengths(400), 8
    order = row_order(given, batch_size=size, num_batches=100, seed=0)
    batches = [frozenset(order[start : start + size]) for start in range(0, len(order), size)]
    met = [len(one & other) for one in batches[:50] for other in batches[50:] if one & other]
    assert max(met) < size - 2  # sorted as a whole, epochs would share whole batches
    assert min(max(given[row] for row in batch) - min(given[row] for row in batch) for batch in batches) > 0


def test_little_is_padded_and_lengths_do_not_come_sorted() -> None:
    given, size = lengths(400), 8
    order = row_order(given, batch_size=size, num_batches=50, seed=0)
    shuffled = list(range(400))
    Random(0).shuffle(shuffled)
    assert padded(order, given, size) < padded(shuffled, given, size) / 2.5
    longest = [max(given[row] for row in order[start : start + size]) for start in range(0, 400, size)]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


def test_rows_of_one_length_are_mixed() -> None:
    batches = row_order([5] * 100, batch_size=4, num_batches=25, seed=0)
    assert sorted(batches) == list(range(100)) != batches


def test_collating_pads_behind_and_learns_targets_alone() -> None:
    rows = [
        Tokens(sample="a", ids=(7, 8, 9, 10), targets=(True, False, True, True)),
        Tokens(sample="b", ids=(5, 6), targets=(False, True)),
    ]
    batch = collate(rows)
    assert batch["input_ids"].tolist() == [[7, 8, 9, 10], [5, 6, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, IGNORED, 9, 10], [IGNORED, 6, IGNORED, IGNORED]]
    assert set(batch) == {"input_ids", "labels"}
