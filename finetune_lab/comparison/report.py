"""One comparison as a whole, and its files: JSON for programs, CSV and Parquet for tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import to_json, to_jsonable_python

from finetune_lab.comparison.deciding import Decided
from finetune_lab.comparison.outcomes import Tally
from finetune_lab.comparison.ranking import Front, Ranked
from finetune_lab.comparison.strengths import Strength
from finetune_lab.comparison.training import Trained
from finetune_lab.maths.compare import Difference
from finetune_lab.once import write_atomically
from finetune_lab.text.tables import csv_of_cells, flat, plain


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one change of one knob did to one metric."""

    path: str
    difference: Difference


@dataclass(frozen=True, kw_only=True)
class Arm:
    """Who stands behind a label: the runs of an arm, one a seed, or a base."""

    label: str
    runs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a comparison found; sections that nothing was asked of are empty."""

    group: str
    arms: tuple[Arm, ...] = ()
    differences: tuple[Difference, ...] = ()
    tallies: tuple[Tally, ...] = ()
    ranking: tuple[Ranked, ...] = ()
    fronts: tuple[Front, ...] = ()
    strengths: tuple[Strength, ...] = ()
    trainings: tuple[Trained, ...] = ()
    knobs: tuple[Effect, ...] = ()
    decisions: tuple[Decided, ...] = ()
    left_out: tuple[str, ...] = ()

    def sheets(self) -> dict[str, Sequence[Any]]:
        """The sections that are tables, by the name of their files."""
        found: dict[str, Sequence[Any]] = {"comparison": self.differences, "tallies": self.tallies}
        found |= {"ranking": self.ranking, "fronts": self.fronts, "trainings": self.trainings}
        found |= {"strengths": self.strengths}
        return found | {"knobs": [_KnobRow.of(one) for one in self.knobs], "decisions": self.decisions}


@dataclass(frozen=True, kw_only=True)
class _KnobRow:
    path: str
    reference_label: str
    candidate_label: str
    evaluator: str
    name: str
    difference: float | None
    low: float | None
    high: float | None
    confidence: float
    p_value: float | None
    p_adjusted: float | None
    num_reference_seeds: int
    num_seeds: int
    verdict: str

    @classmethod
    def of(cls, effect: Effect) -> "_KnobRow":
        names = [name for name in cls.__dataclass_fields__ if name != "path"]
        return cls(path=effect.path, **{name: getattr(effect.difference, name) for name in names})


def as_record(node: Any) -> Any:
    """Records as plain JSON all the way down: no dataclass, no tuple, no number that is not finite."""
    return to_jsonable_python(node, inf_nan_mode="null")


def json_of(report: Report, settings: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """The whole report with the settings that it was made with."""
    found = {name: value for name, value in vars(report).items() if name != "group"}
    whole = {"group": report.group, **plain(settings), "made": made, **found}
    # ten times as fast as json.dumps: a report of hundreds of arms is megabytes
    return to_json(whole, indent=2, inf_nan_mode="null").decode() + "\n"


def write(report: Report, text: str, folder: Path) -> list[Path]:
    """Write comparison.json, and CSV and Parquet of every section that has rows; a section without loses its files."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "comparison.json", text)
    paths = [folder / "comparison.json"]
    for name, rows in report.sheets().items():
        csv_path, parquet_path = folder / f"{name}.csv", folder / f"{name}.parquet"
        if rows or name == "comparison":
            cells = [flat(as_record(row)) for row in rows]
            write_atomically(csv_path, csv_of_cells(cells))
            write_parquet(parquet_path, cells)
            paths += [csv_path, parquet_path]
        else:  # of an earlier comparison with other settings
            csv_path.unlink(missing_ok=True)
            parquet_path.unlink(missing_ok=True)
    return paths


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Write rows of plain cells, column by column; a column without any value is text. Whole or not there."""
    import pyarrow  # here: reading a comparison must not wait for it
    from pyarrow import parquet

    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    arrays = [_column([row.get(name) for row in rows], pyarrow) for name in names]
    partial = path.with_name(f"{path.name}.partial")
    parquet.write_table(pyarrow.table(arrays, names=names), partial)
    partial.replace(path)


def _column(values: list[Any], pyarrow: Any) -> Any:
    """An Arrow array from its buffers: made from a list, pyarrow would load pandas first."""
    kinds = {type(value) for value in values if value is not None}
    valid = pyarrow.py_buffer(_bits([value is not None for value in values]))
    if kinds == {bool}:
        bits = pyarrow.py_buffer(_bits([bool(value) for value in values]))
        return pyarrow.Array.from_buffers(pyarrow.bool_(), len(values), [valid, bits])
    if kinds and kinds <= {int, float, bool}:
        name = "int64" if kinds == {int} else "float64"
        numbers = np.array([0 if value is None else value for value in values], dtype=name)
        return pyarrow.Array.from_buffers(
            getattr(pyarrow, name)(), len(values), [valid, pyarrow.py_buffer(numbers.tobytes())]
        )
    texts = [b"" if value is None else str(value).encode("utf-8", "replace") for value in values]
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    parts = [valid, pyarrow.py_buffer(offsets.tobytes()), pyarrow.py_buffer(b"".join(texts))]
    return pyarrow.Array.from_buffers(pyarrow.large_string(), len(values), parts)


def _bits(flags: list[bool]) -> bytes:
    return np.packbits(np.array(flags, dtype=bool), bitorder="little").tobytes()
