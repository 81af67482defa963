"""The gate lets through what is the same, stops what is not, and never takes the unknown for good."""

from dataclasses import replace

import pytest

from finetune_lab.comparison.parity import Limits, parity
from finetune_lab.inference.parity import Agreement
from finetune_lab.records import Sample

ROWS = [Sample.of(messages=[{"role": "user", "content": str(n)}]) for n in range(40)]
LIMITS = Limits(agreement=0.99, texts=0.9, kl=1e-3, perplexity=0.01)


def agreement(row, *, kl=0.0, nats=10.0, other=10.0, agreed=10):
    return Agreement(sample=row.id, num_tokens=10, num_agreed=agreed, kl=kl, reference_nats=nats, candidate_nats=other)


def test_the_same_model_passes_with_an_interval_of_nothing():
    found = parity(
        [agreement(row, nats=5.0 + n, other=5.0 + n) for n, row in enumerate(ROWS)], [True] * 5, ROWS, confidence=0.95
    )
    assert (found.agreement, found.same_texts, found.kl, found.perplexity_difference) == (1, 1, 0, 0)
    assert (found.kl_high, found.perplexity_low, found.perplexity_high) == (0, 0, 0)
    assert found.beyond(LIMITS) == []


def test_numbers_are_those_of_the_rows():
    found = parity(
        [
            agreement(row, kl=0.1 * (n % 2), nats=10.0, other=10.2 + 0.1 * (n % 3), agreed=9)
            for n, row in enumerate(ROWS)
        ],
        [True, False, False, False],
        ROWS,
        confidence=0.95,
    )
    assert found.agreement == 0.9
    assert found.same_texts == 0.25
    assert found.kl == pytest.approx(0.005)
    assert found.reference_perplexity == pytest.approx(2.71828, abs=1e-4)
    assert 0.02 * 2.718 < found.perplexity_low < found.perplexity_difference < found.perplexity_high < 0.05 * 2.718
    assert len(found.beyond(LIMITS)) == 4


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"agreed": 9}, "first choices agree on 90.00%"),
        ({"kl": 0.2}, "KL may be"),
        ({"other": 10.5}, "perplexity may differ by"),
    ],
)
def test_each_limit_stops_alone_and_says_both_values(changes, told):
    rows = [agreement(row, **changes) for row in ROWS]
    (sentence,) = parity(rows, [True] * 9, ROWS, confidence=0.95).beyond(replace(LIMITS, kl=1e-3))
    assert told in sentence
    assert "the limit is" in sentence


def test_what_is_no_number_is_beyond_any_limit():
    rows = [agreement(row, kl=float("nan"), other=float("nan")) for row in ROWS]
    assert len(parity(rows, [True] * 9, ROWS, confidence=0.95).beyond(LIMITS)) == 2


def test_texts_may_be_left_out():
    found = parity([agreement(row) for row in ROWS], [False] * 9, ROWS, confidence=0.95)
    assert found.beyond(replace(LIMITS, texts=None)) == []
    assert len(found.beyond(LIMITS)) == 1
