"""A person as judge: answers before their eyes, blind, at the terminal or in the browser. task=ab and task=rate."""

import logging
import sys
from typing import Annotated, Literal

from pydantic import Field
from rich.console import Console

from finetune_lab.errors import WorldError
from finetune_lab.lab import Lab
from finetune_lab.people.plan import Plan, Power
from finetune_lab.people.queue import Queue
from finetune_lab.people.votes import read_votes
from finetune_lab.plugin import plugin
from finetune_lab.task.ask_terminal import converse
from finetune_lab.task.asking import open_study, settle, tell
from finetune_lab.text.terminal import visible

log = logging.getLogger(__name__)


@plugin
class Ask:
    """Ask `rater` what `evaluator` wants to know, keep every vote, and score by all votes so far; goes on where it was.

    In the browser: a page on this machine alone, under a secret address, at `port` (0: any free one).
    """

    evaluator: str
    rater: Annotated[str, Field(min_length=1, max_length=100)]
    place: Literal["terminal", "browser"]
    port: int = Field(ge=0, le=65535)
    plan: Plan
    power: Power

    def execute(self, lab: Lab) -> None:
        if lab.dry:
            log.info("would ask %s by eval.%s", visible(self.rater), self.evaluator)
            return
        if self.place == "browser":
            self._check_browser()
        study = open_study(lab, self.evaluator)
        read_votes(study.votes)  # a broken file is told before anybody begins
        items, gold, rows = study.ballot.items, study.ballot.gold, len(study.rows)
        for line in (self.plan.line(items, len(gold), rows), *self.power.lines(rows, study.evaluator.confidence)):
            log.info("plan      %s", line)
        queue = Queue(ballot=study.ballot, plan=self.plan, votes=study.votes, rater=self.rater, source=self.place)
        if self.place == "browser":
            from finetune_lab.task.ask_browser import serve

            serve(queue, port=self.port)
        else:
            converse(queue, sys.stdin, Console(highlight=False, emoji=False))
        tell(study, settle(study))

    @staticmethod
    def _check_browser() -> None:
        from importlib.util import find_spec

        if find_spec("gradio") is None or find_spec("uvicorn") is None:
            raise WorldError("task.place=browser needs Gradio: pip install .[people]; task.place=terminal does without")
