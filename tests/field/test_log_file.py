"""From a file to arrays: the same from every format, and every mistake told with file and row."""

import json

import numpy as np
import pytest

from finetune_lab.errors import DataError
from finetune_lab.field.log_file import Columns, read_log

NAMES = Columns(
    arm="arm", time="time", post="post_id", topic="topic", hour=None, engagement="original_engagement"
)  # fmt: skip


def read(path, columns=NAMES, outcomes=("likes",), zone=None, most_missing=0.2):
    return read_log(path, columns, list(outcomes), zone=zone, most_missing=most_missing)


def test_the_same_from_csv_jsonl_and_parquet(make_rows, write_csv, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    rows = make_rows(num_posts=50)
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "log.parquet")
    first, *others = (read(path) for path in (write_csv(rows), tmp_path / "log.jsonl", tmp_path / "log.parquet"))
    assert first.num_rows == len(first.arm) == len(rows)
    assert set(first.arms) == {"base", "tuned"}
    assert [first.arms[number] for number in first.arm] == [row["arm"] for row in rows]
    for other in others:
        for name in ("arm", "seconds", "hour", "topic", "post", "engagement"):
            assert np.array_equal(getattr(first, name), getattr(other, name))
        assert np.array_equal(first.outcomes["likes"], other.outcomes["likes"])


def test_hours_are_those_of_the_zone(make_rows, write_csv):
    path = write_csv([row | {"time": "2026-07-01T23:30:00Z"} for row in make_rows(num_posts=9)])
    assert set(read(path).hour) == {23.5}
    assert set(read(path, zone="Europe/Berlin").hour) == {1.5}
    assert set(read(path, zone="Asia/Kolkata").hour) == {5.0}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"likes": "-3"}, "line 4: likes is '-3'"),
        ({"likes": "2.5"}, "line 4: likes is '2.5'"),
        ({"original_engagement": "viral"}, "line 4: original_engagement is 'viral'"),
        ({"arm": ""}, "line 4: arm is missing"),
        ({"time": ""}, "line 4: time is missing"),
        ({"time": "2026-03-01 10:00"}, "line 4: time .* names no time zone"),
        ({"time": "soon"}, "line 4: time is 'soon'"),
    ],
)
def test_a_bad_value_is_told_with_its_row(make_rows, write_csv, changed, told):
    rows = make_rows(num_posts=20)
    rows[2] |= changed
    with pytest.raises(DataError, match=rf"log.csv, {told}"):
        read(write_csv(rows))


def test_rows_that_lack_a_covariate_are_counted_up_to_a_share(make_rows, write_csv):
    rows = make_rows(num_posts=40)
    for row in rows[5:8]:
        row["topic"] = ""
    rows[9]["original_engagement"] = "NA"
    log = read(write_csv(rows))
    assert log.left_out == {"topic": 3, "original_engagement": 1}
    assert len(log.arm) == log.num_rows - 4
    with pytest.raises(DataError, match=r"4 of \d+ rows lack a covariate.*line 7 lacks topic"):
        read(write_csv(rows), most_missing=0.01)


def test_an_outcome_may_be_unknown_in_a_row(make_rows, write_csv):
    rows = make_rows(num_posts=10)
    rows[0]["likes"] = ""
    assert np.isnan(read(write_csv(rows)).outcomes["likes"]).tolist() == [True] + [False] * (len(rows) - 1)


def test_a_bad_value_is_told_also_where_the_row_would_be_left_out(make_rows, write_csv):
    rows = make_rows(num_posts=10)
    rows[1] |= {"topic": "", "likes": "-1"}
    with pytest.raises(DataError, match="line 3: likes"):
        read(write_csv(rows))


def test_wrong_files_are_told(make_rows, write_csv, tmp_path):
    rows = make_rows(num_posts=30)
    with pytest.raises(DataError, match=r"no column reposts; there are arm, time"):
        read(write_csv(rows), outcomes=("likes", "reposts"))
    with pytest.raises(DataError, match="all rows have the arm 'base'"):
        read(write_csv([row | {"arm": "base"} for row in rows]))
    with pytest.raises(DataError, match="different arms; is 'arm' the column"):
        read(write_csv([row | {"arm": f"a{n}"} for n, row in enumerate(rows)]))
    (tmp_path / "empty.csv").write_text("arm,time\n")
    with pytest.raises(DataError, match="no rows"):
        read(tmp_path / "empty.csv")
    with pytest.raises(DataError, match="no file"):
        read(tmp_path / "none.csv")


def test_a_log_without_topic_post_or_engagement(make_rows, write_csv):
    bare = Columns(arm="arm", time="time", post=None, topic=None, hour=None, engagement=None)
    rows = [{name: row[name] for name in ("arm", "time", "likes")} for row in make_rows(num_posts=20)]
    log = read(write_csv(rows), bare)
    assert log.engagement is None
    assert log.topics == ("",)
    assert len(set(log.post)) == len(rows)
