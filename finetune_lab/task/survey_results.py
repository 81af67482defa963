"""Results of a survey into the votes that task=ab and task=rate keep, and the evaluation by all of them."""

import logging
from pathlib import Path

from finetune_lab.errors import ConfigError, DataError
from finetune_lab.lab import Lab
from finetune_lab.people.results import Reader, new_votes
from finetune_lab.people.survey import read_survey
from finetune_lab.people.votes import Vote, append_votes, read_votes
from finetune_lab.plugin import plugin
from finetune_lab.task.asking import open_study, settle, survey_folder, tell
from finetune_lab.text.terminal import visible

log = logging.getLogger(__name__)


@plugin
class SurveyResults:
    """`results` are files or folders: JSON or CSV as the survey saves them, or texts with completion codes.

    A file that is not whole is told and left out, the others count; then the exit code says so. Nothing counts twice.
    `folder` is that of task=survey; null: where this line has put it.
    """

    evaluator: str
    folder: Path | None
    results: Path | tuple[Path, ...]

    def execute(self, lab: Lab) -> None:
        paths = self._paths()
        if lab.dry:
            log.info("would read %d result files", len(paths))
            return
        study = open_study(lab, self.evaluator)
        survey = read_survey(self.folder or survey_folder(study))
        lost = set(survey.items) - study.ballot.by_id.keys()
        if lost:
            raise DataError(
                f"{len(lost)} of the survey's {len(survey.items)} items are not asked by this line; was it made by "
                "another config, other rows, decoding or gold items?"
            )
        found, bad = self._read(Reader(survey=survey, ballot=study.ballot), paths)
        kept = read_votes(study.votes)
        fresh = new_votes(found, kept)
        if fresh:
            append_votes(study.votes, fresh)
        twice = len(found) - len(fresh)
        log.info("read      %d votes of %d files; %d new, %d known before", len(found), len(paths), len(fresh), twice)
        tell(study, settle(study))
        if bad:
            raise DataError(f"{len(bad)} of {len(paths)} files were left out: " + "; ".join(bad))

    def _paths(self) -> list[Path]:
        """Every file once, those of folders in the order of their names."""
        given = self.results if isinstance(self.results, tuple) else (self.results,)
        absent = [path for path in given if not path.exists()]
        if absent:
            raise ConfigError(f"task.results: there is no {absent[0]}")
        found = [
            one
            for path in given
            for one in (sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path])
        ]
        if not found:
            raise ConfigError("task.results: no files; name some, or a folder with some")
        return list(dict.fromkeys(found))

    @staticmethod
    def _read(reader: Reader, paths: list[Path]) -> tuple[list[Vote], list[str]]:
        found: list[Vote] = []
        bad = []
        for path in paths:
            try:
                found += reader.votes(path)
            except DataError as error:
                bad.append(visible(str(error)))
                log.error("left out  %s", bad[-1])
        return found, bad
