"""Every table and view of the group as Parquet and CSV, for notebooks and other programs."""

import csv
import io
from typing import TYPE_CHECKING

from finetune_lab.comparison.report import write_parquet
from finetune_lab.errors import LabError
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.store.exporting import Sheet

if TYPE_CHECKING:
    from pathlib import Path

    from finetune_lab.lab import Lab


@plugin
class ExportResults:
    """`empty`: also write tables that have no rows for the group."""

    empty: bool

    def execute(self, lab: "Lab") -> None:
        if lab.group not in lab.store.groups():
            known = ", ".join(lab.store.groups()) or "none"
            raise LabError(f"no group {lab.group!r} in the store; there are: {known}")
        folder = lab.outputs / "reports" / lab.group / "export"
        folder.mkdir(parents=True, exist_ok=True)
        for sheet in lab.store.sheets(lab.group):
            if sheet.rows or self.empty:
                _write(sheet, folder)
                print(f"{len(sheet.rows):8} rows  {folder / sheet.name}.parquet, .csv")


def _write(sheet: Sheet, folder: "Path") -> None:
    write_parquet(folder / f"{sheet.name}.parquet", sheet.rows, sheet.columns)
    lines = io.StringIO()
    writer = csv.DictWriter(lines, list(sheet.columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(sheet.rows)
    write_atomically(folder / f"{sheet.name}.csv", lines.getvalue())
