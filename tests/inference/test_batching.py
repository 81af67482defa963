"""Batches for inference: every row once, long ones first, within both budgets."""

import threading
from random import Random

import pytest
import torch

from finetune_lab.inference.batching import Batcher, batches


@pytest.mark.parametrize("seed", range(40))
def test_every_row_once_and_both_budgets_kept(seed: int) -> None:
    random = Random(seed)
    lengths = [random.randint(0, 50) for _ in range(random.randint(0, 60))]
    max_rows, max_tokens, extra = random.randint(1, 9), random.randint(1, 300), random.choice([0, 0, 16])
    found = list(batches(lengths, max_rows=max_rows, max_tokens=max_tokens, extra_tokens=extra))
    assert sorted(number for batch in found for number in batch) == list(range(len(lengths)))
    for batch in found:
        assert 1 <= len(batch) <= max_rows
        assert len(batch) == 1 or len(batch) * (max(lengths[n] for n in batch) + extra) <= max_tokens
    in_order = [lengths[number] for batch in found for number in batch]
    assert in_order == sorted(lengths, reverse=True)


def test_batches_are_as_large_as_the_budget_allows() -> None:
    assert [len(batch) for batch in batches([10] * 12, max_rows=100, max_tokens=50)] == [5, 5, 2]
    assert [len(batch) for batch in batches([10] * 12, max_rows=4, max_tokens=10_000)] == [4, 4, 4]
    assert [len(batch) for batch in batches([10] * 4, max_rows=9, max_tokens=40, extra_tokens=10)] == [2, 2]


def test_a_row_too_long_for_the_budget_goes_alone() -> None:
    assert list(batches([5, 500, 5], max_rows=9, max_tokens=20)) == [[1], [0, 2]]


def test_batches_side_by_side_are_the_same_rows_within_the_same_budget() -> None:
    lengths = [3, 9, 4, 4, 7, 1, 2, 8, 5, 6]
    batcher = Batcher(max_rows=4, max_tokens=40)
    before = torch.get_num_threads()
    seen: set[int] = set()

    def work(group: list[int]) -> list[int]:
        seen.add(threading.get_ident())
        return [lengths[n] for n in group]

    found = list(batcher.each(lengths, work, "", threads=2))
    assert sorted(n for group, _ in found for n in group) == list(range(10))
    for group, made in found:
        assert made == [lengths[n] for n in group]
        assert len(group) <= 2
        assert len(group) * max(made) <= 20
    assert threading.get_ident() not in seen
    assert torch.get_num_threads() == before


def test_an_error_in_one_of_the_threads_ends_it() -> None:
    def work(group: list[int]) -> None:
        raise KeyError(group[0])

    with pytest.raises(KeyError):
        list(Batcher(max_rows=2, max_tokens=40).each([1] * 50, work, "", threads=2))


def test_what_does_not_fit_is_halved_and_not_tried_again() -> None:
    asked: list[int] = []

    def work(group: list[int]) -> int:
        asked.append(len(group))
        if len(group) > 3:
            raise torch.OutOfMemoryError("too much")
        return len(group)

    batcher = Batcher(max_rows=8, max_tokens=1000)
    found = list(batcher.each([5] * 16, work, ""))
    assert sorted(n for group, _ in found for n in group) == list(range(16))
    assert asked[:3] == [8, 4, 2]
    assert max(asked[3:]) <= 3
    assert batcher.max_rows == 2
