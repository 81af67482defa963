"""Rows before a person's eyes: keep, drop, edit or relabel, at the terminal or in the browser."""

import logging
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from rich.console import Console

from finetune_lab.errors import ConfigError
from finetune_lab.lab import Lab
from finetune_lab.plugin import plugin
from finetune_lab.preparing.decisions import agreements, read_decisions
from finetune_lab.preparing.review_queue import ReviewQueue
from finetune_lab.preparing.splitting import SPLITS
from finetune_lab.records import Sample
from finetune_lab.task.review_server import serve
from finetune_lab.task.review_terminal import converse
from finetune_lab.text.terminal import one_line

log = logging.getLogger(__name__)


@plugin
class Review:
    """Ask `reviewer` about the rows of `split` and add each decision to the file `decisions`; goes on where it stopped.

    A share of `twice` of the rows is for two reviewers. `label` names the fact that a relabel sets, to one of `labels`
    (empty: anything). In the browser: a page on this machine alone, under a secret address, at `port` (0: any free).
    """

    split: Literal["train", "validation", "test", "all"]
    max_rows: PositiveInt | None
    decisions: Path
    reviewer: Annotated[str, Field(min_length=1)]
    twice: float = Field(ge=0, le=1)
    label: Annotated[str, Field(min_length=1)]
    labels: tuple[str, ...]
    place: Literal["terminal", "browser"]
    port: int = Field(ge=0, le=65535)

    def execute(self, lab: Lab) -> None:
        lab.data.check()
        queue = self._queue(lab)
        read_decisions(self.decisions)  # a broken file is told before anybody begins
        console = Console(highlight=False, emoji=False)
        if self.place == "browser":
            serve(queue, port=self.port)
        else:
            converse(queue, sys.stdin, console)
        self._tell(queue, lab, console)

    def _queue(self, lab: Lab) -> ReviewQueue:
        names = SPLITS if self.split == "all" else (self.split,)
        rows: list[Sample] = [row for name in names for row in lab.split(name)][: self.max_rows]
        if not rows:
            raise ConfigError(f"task.split: {self.split} has no rows to review")
        return ReviewQueue(
            rows=rows,
            decisions=self.decisions,
            reviewer=self.reviewer,
            twice=self.twice,
            label=self.label,
            labels=self.labels,
        )

    def _tell(self, queue: ReviewQueue, lab: Lab, console: Console) -> None:
        progress = queue.progress()
        own = ", ".join(f"{kind} {number}" for kind, number in sorted(progress.own.items())) or "none"
        who = one_line(self.reviewer, 40)
        console.print(f"{progress.done} of {progress.total} rows done; by {who}: {own}", soft_wrap=True)
        for line in agreement_lines(queue):
            console.print(one_line(line, 200), soft_wrap=True)
        console.print(
            f"decisions: {one_line(str(self.decisions), 200)} (keep it under version control)", soft_wrap=True
        )
        name, file = lab.names.data, self.decisions
        log.info("next:     data=reviewed data@data.of=%s (its options as data.of.…) data.decisions=%s", name, file)


def agreement_lines(queue: ReviewQueue) -> list[str]:
    """A line for every two reviewers who have seen some of the queue's rows both."""
    ids = {row.id for row in queue.rows}
    found = []
    for one in agreements(decision for decision in read_decisions(queue.decisions) if decision.row in ids):
        low, high = one.kappa.interval.low, one.kappa.interval.high
        told = f"κ {one.kappa.value:.2f} [{low:.2f}, {high:.2f}]" if low == low else "κ unknown (one answer to all)"
        both = " and ".join(one.reviewers)
        found.append(f"agreement of {both} on {one.num_rows} rows: {one.share:.0%}, {told}")
    return found
