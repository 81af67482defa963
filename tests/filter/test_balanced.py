"""Classes of one size, drawn by content; too few rows are an error with the figures."""

from collections import Counter
from typing import Any

import pytest

from finetune_lab.errors import ConfigError, DataError


@pytest.fixture
def chosen(lab: Any) -> Any:
    def make(**values: Any) -> Any:
        options = [f"data.filters.balanced.{name}={value}" for name, value in values.items()]
        return lab("filter@data.filters=[balanced]", *options).data.filters["balanced"]

    return make


@pytest.fixture
def rows(candidate: Any) -> Any:
    def make(**sizes: int) -> list[Any]:
        return [
            candidate(prompt=f"{name} {n}", facts={"label": name}) for name, num in sizes.items() for n in range(num)
        ]

    return make


def kept(rows: list[Any], verdicts: Any) -> list[Any]:
    return [row for row, verdict in zip(rows, verdicts, strict=True) if verdict.reason is None]


def test_every_class_gets_as_many_as_the_smallest_has(chosen: Any, rows: Any) -> None:
    given = rows(safe=40, unsafe=25)
    verdicts = chosen(least=20).keep(given)
    assert Counter(row.sample.facts["label"] for row in kept(given, verdicts)) == {"safe": 25, "unsafe": 25}
    assert Counter(v.reason for v in verdicts) == {None: 50, "over 25 of its class": 15}
    assert len(kept(given, chosen(least=10, most=10).keep(given))) == 20


def test_which_ones_follows_from_the_rows_and_the_seed_alone(chosen: Any, rows: Any) -> None:
    given = rows(a=30, b=10)
    one = {row.sample.id for row in kept(given, chosen(least=5).keep(given))}
    assert {row.sample.id for row in kept(given[::-1], chosen(least=5).keep(given[::-1]))} == one
    assert {row.sample.id for row in kept(given, chosen(least=5, seed=1).keep(given))} != one


def test_a_class_under_the_least_is_an_error_with_the_figures(chosen: Any, rows: Any) -> None:
    with pytest.raises(DataError, match=r"every class of label needs 500 rows; there are: 'safe' 600, 'unsafe' 499"):
        chosen().keep(rows(safe=600, unsafe=499))
    assert not [v for v in chosen().keep(rows(safe=500, unsafe=500)) if v.reason]
    with pytest.raises(DataError, match="label has 1 classes, 2 are due"):
        chosen().keep(rows(safe=600))


def test_rows_without_the_class_are_dropped_and_mistakes_told(chosen: Any, rows: Any, candidate: Any) -> None:
    assert [v.reason for v in chosen(least=1).keep([*rows(a=1, b=1), candidate()])] == [None, None, "no label"]
    with pytest.raises(ConfigError, match="most 3 should not be under least 5"):
        chosen(least=5, most=3)
