"""Single values of a log: what is taken, what is missing, and what is refused with its place."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from finetune_lab.errors import DataError
from finetune_lab.field.values import count, hour, missing, moment

NOWHERE = "log.csv, line 7"


@pytest.mark.parametrize("value", [None, "", " ", "NA", "nan", "NULL"])
def test_missing(value):
    assert missing(value)
    assert count(value, "likes", NOWHERE) != count(value, "likes", NOWHERE)  # NaN


@pytest.mark.parametrize(("value", "found"), [("12", 12), ("12.0", 12), (0, 0), (3.0, 3), ("1e3", 1000)])
def test_counts(value, found):
    assert count(value, "likes", NOWHERE) == found


@pytest.mark.parametrize("value", ["-1", -1, "1.5", "many", "1,000", True, "inf", float("inf"), "1e300", [1], 10**400])
def test_what_is_no_count_is_told_with_its_row(value):
    with pytest.raises(DataError, match=r"log.csv, line 7: likes is .*whole number"):
        count(value, "likes", NOWHERE)


def test_hours():
    assert hour("23.5", "hour", NOWHERE) == 23.5
    for wrong in ("24", "-1", "noon"):
        with pytest.raises(DataError, match="line 7: hour"):
            hour(wrong, "hour", NOWHERE)


def test_times_know_their_zone():
    berlin = ZoneInfo("Europe/Berlin")
    due = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    for said, zone in (
        ("2026-03-29T01:30:00Z", None),
        ("2026-03-29T03:30:00+02:00", None),
        ("2026-03-29 03:30", berlin),  # the night in which the clocks change
        (due.timestamp(), None),
        (str(int(due.timestamp())), None),
        (due, None),
    ):
        assert moment(said, "time", NOWHERE, zone) == due
    with pytest.raises(DataError, match=r"no time zone; say whose it is: task.zone"):
        moment("2026-03-29 03:30", "time", NOWHERE, None)


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", 5, 1.7e12, "-1", True, ["2026"]])
def test_what_is_no_time_is_told(value):
    with pytest.raises(DataError, match="line 7: time is"):
        moment(value, "time", NOWHERE, ZoneInfo("UTC"))
