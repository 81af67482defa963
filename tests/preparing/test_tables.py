"""Rows out of tables: CSV and Parquet, their places, and what is told."""

from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from finetune_lab.errors import DataError
from finetune_lab.preparing.tables import read_table


def test_csv_rows_know_their_lines_also_behind_a_field_of_several(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('\ufeffa,b\n"one\ntwo",2\n\n3,4\n', encoding="utf-8")
    assert [(row.fields, row.place) for row in read_table(path)] == [
        ({"a": "one\ntwo", "b": "2"}, f"{path}, line 3"),
        ({"a": "3", "b": "4"}, f"{path}, line 5"),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1\n", "line 2: not as many fields"),
        (b"a,b\n1,2,3\n", "line 2: not as many fields"),
        (b"a,a\n1,2\n", "line 1: two columns are called 'a'"),
        (b"a\n\xff\n", "not UTF-8"),
        (b'a\n"open\n', "line 2: unexpected end of data"),
        (b"a\n" + b"x" * 200_000, "line 2: field larger than"),
    ],
)
def test_a_broken_csv_is_told_by_file_and_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"x\.csv.*{told}"):
        list(read_table(path))


def test_parquet_without_a_number_is_without_a_value(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table({"a": ["x", None], "b": [float("nan"), 1.5]}), path)
    assert [row.fields for row in read_table(path)] == [{"a": "x", "b": None}, {"a": None, "b": 1.5}]
    assert next(read_table(path)).place == f"{path}, row 1"


def test_a_broken_parquet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 and no more PAR1")
    with pytest.raises(DataError, match=r"x\.parquet: cannot be read as Parquet"):
        list(read_table(path))
