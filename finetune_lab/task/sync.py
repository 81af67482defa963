"""Send what the store holds of a group to the tracker, after runs that were offline or not tracked at all."""

import logging
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, SkipValidation

from finetune_lab.errors import LabError
from finetune_lab.plugin import plugin
from finetune_lab.progress import track
from finetune_lab.records import RunCard
from finetune_lab.reporting.publishing import keep_files
from finetune_lab.store.mirror import TABLE, TABLE_COLUMNS, pairs, steps, summaries, table_rows
from finetune_lab.store.questions import RunRow

if TYPE_CHECKING:
    from finetune_lab.lab import Lab

log = logging.getLogger(__name__)


@plugin
class Sync:
    """`max_samples`: rows of the table of samples, for each set of answers of a run.

    `report`: the task whose report is sent as well, where the group has one; null: none.
    """

    max_samples: Annotated[int, Field(ge=0)]
    report: SkipValidation[Any]

    def execute(self, lab: "Lab") -> None:
        rows = lab.store.runs(lab.group)
        if not rows:
            others = ", ".join(lab.store.groups()) or "none; task=reindex reads the folders again"
            raise LabError(f"no runs in group {lab.group!r} to send; groups in the store: {others}")
        lab.tracker.check()
        for row in track(rows, "sync"):
            self._send(lab, row)
        if self.report is not None:
            self.report.replay(lab)
        log.info("%d runs of group %s given to the tracker (%s)", len(rows), lab.group, type(lab.tracker).__name__)

    def _send(self, lab: "Lab", row: RunRow) -> None:
        """Give one run to the tracker; one that has failed is shown there as failed."""
        found = [member for member in lab.store.members(lab.group) if member.run == row.key]
        measures = list(found[0].measures.values()) if found else None  # None: it failed before it joined
        try:
            with lab.tracker.session(_card(row, lab.group), row.folder) as session:
                for step, metrics in steps(lab.store, row.key):
                    session.log(step, metrics)
                session.summarise(summaries(lab.store, run=row.key, base=row.base, measures=measures))
                texts = pairs(lab.store, run=row.key, base=row.base, max_rows=self.max_samples)
                if texts:
                    session.table(TABLE, TABLE_COLUMNS, table_rows(texts))
                keep_files(lab.store, lab.outputs, row.key, session)
                if row.status == "failed":
                    raise _RunFailedError
        except _RunFailedError:
            pass


class _RunFailedError(Exception):
    """Ends a session as that of a failed run."""


def _card(row: RunRow, group: str) -> RunCard:
    names = ("key", "base", "label", "model", "data", "method", "seed", "config")
    return RunCard(group=group, **{name: getattr(row, name) for name in names})
