"""Numbers in a window, sums of several, and what is not known."""

from typing import Any

import pytest

from finetune_lab.errors import ConfigError


@pytest.fixture
def chosen(lab: Any) -> Any:
    return lambda name, *options: lab(f"filter@data.filters=[{name}]", *options).data.filters[name]


def reasons(one: Any, rows: Any) -> list[str | None]:
    return [verdict.reason for verdict in one.keep(rows)]


def test_the_window_of_followers_has_its_limits_inside(chosen: Any, candidate: Any) -> None:
    rows = [candidate(fields={"followers": n}) for n in (499, 500, 100_000, 100_001, None, "1e3", True, float("nan"))]
    assert reasons(chosen("followers"), rows) == [
        *("followers under 500", None, None, "followers over 100000", "followers unknown", None),
        *("followers unknown", "followers unknown"),
    ]


def test_seconds_after_the_post_count_from_its_time(chosen: Any, candidate: Any) -> None:
    rows = [candidate(fields={"seconds_after": n}) for n in (0, 299.9, 300, 10**7)] + [candidate()]
    assert reasons(chosen("delay"), rows) == [*["seconds_after under 300"] * 2, None, None, "seconds_after unknown"]


def test_engagement_is_a_sum_and_unknown_is_not_zero(chosen: Any, candidate: Any) -> None:
    known = {"likes": 0, "replies": 1, "reposts": 1}
    rows = [candidate(fields=known), candidate(fields=known | {"replies": 0}), candidate(fields={"likes": 9})]
    one = chosen("engagement", "data.filters.engagement.least=2")
    assert reasons(one, rows) == [None, "likes + replies + reposts under 2", "replies unknown"]
    assert one.keep(rows)[1].detail == "1"


def test_a_window_without_room_is_told(lab: Any) -> None:
    with pytest.raises(ConfigError, match=r"data\.filters\.followers.*least 5 should not be over most 4"):
        lab("filter@data.filters=[followers]", "data.filters.followers.least=5", "data.filters.followers.most=4")
