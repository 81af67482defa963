"""The questions of task=ab or task=rate as one file for people elsewhere; task=survey_results reads what they send."""

import logging
from pathlib import Path

from pydantic import PositiveInt

from finetune_lab.lab import Lab
from finetune_lab.once import write_atomically
from finetune_lab.people.plan import Power
from finetune_lab.people.survey import KEY, PAGE, page_of, survey_of
from finetune_lab.plugin import plugin
from finetune_lab.task.asking import open_study, survey_folder

log = logging.getLogger(__name__)


@plugin
class Survey:
    """Write `folder`/survey.html, to be given away, and `folder`/key.json, which stays at home.

    null: a folder below outputs/surveys that this line finds again. Each of `respondents` is asked everything.
    """

    evaluator: str
    folder: Path | None
    respondents: PositiveInt
    power: Power

    def execute(self, lab: Lab) -> None:
        if lab.dry:
            log.info("would write a survey for eval.%s", self.evaluator)
            return
        study = open_study(lab, self.evaluator)
        folder = self.folder or survey_folder(study)
        survey = survey_of(folder, study.ballot)
        write_atomically(folder / PAGE, page_of(survey, study.ballot))
        items, gold, rows = len(study.ballot.items), len(study.ballot.gold), len(study.rows)
        votes = items * self.respondents
        log.info(
            "plan      %d items of %d rows and %d gold items for each respondent: %d votes", items, rows, gold, votes
        )
        for line in self.power.lines(rows, study.evaluator.confidence):
            log.info("plan      %s", line)
        log.info("survey    %s  (%s, give this file away)", folder / PAGE, survey.id)
        log.info("key       %s  (keep it: results cannot be read without it)", folder / KEY)
        log.info("next      the same line with task=survey_results task.results=[results-….json, …]")
