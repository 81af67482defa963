"""Batches for inference: every row once, long ones first, within both budgets."""

from random import Random

import pytest

from finetune_lab.inference.batching import batches


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
