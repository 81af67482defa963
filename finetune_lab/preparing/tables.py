"""Rows out of tables: CSV and Parquet beside the JSON that `reading` knows, each with its place."""

import csv
from collections import Counter
from collections.abc import Iterator
from math import isnan
from pathlib import Path

from finetune_lab.errors import DataError
from finetune_lab.preparing.reading import Row, read_rows

TABLES = (".csv", ".jsonl", ".json", ".parquet")


def read_table(path: Path) -> Iterator[Row]:
    """Yield the rows of a CSV (with a header), JSON, JSONL or Parquet file, by its ending.

    Raises DataError naming file and line for one that is not there, is empty, or has a row of another length.
    """
    if path.suffix == ".csv":
        return _csv_rows(path)
    if path.suffix == ".parquet":
        return _parquet_rows(path)
    return read_rows(path)


def _csv_rows(path: Path) -> Iterator[Row]:
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if not reader.fieldnames:
                raise DataError(f"{path}: the file is empty; its first line should name the columns")
            twice = [name for name, number in Counter(reader.fieldnames).items() if number > 1]
            if twice:
                raise DataError(f"{path}, line 1: two columns are called {twice[0]!r}; one would hide the other")
            for fields in reader:
                place = f"{path}, line {reader.line_num}"
                if None in fields or None in fields.values():
                    raise DataError(f"{place}: not as many fields as the header has ({len(reader.fieldnames)})")
                yield Row(fields=dict(fields), place=place)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except csv.Error as error:
        # the inner reader has gone on to the row that it could not read
        raise DataError(f"{path}, line {reader.reader.line_num}: {error}") from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException

    try:
        rows = parquet.read_table(path).to_pylist()
    except (OSError, ArrowException, ValueError, OverflowError) as error:  # the last two from values without a meaning
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from None
    for number, fields in enumerate(rows, start=1):
        known = {name: None if isinstance(value, float) and isnan(value) else value for name, value in fields.items()}
        yield Row(fields=known, place=f"{path}, row {number}")
