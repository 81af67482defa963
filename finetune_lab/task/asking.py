"""What the tasks that ask people share: whose answers, which votes, and the evaluation made again after new ones."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.lab import Lab
from finetune_lab.once import read_note
from finetune_lab.people.items import AsksPeople, Ballot
from finetune_lab.people.telling import lines_of
from finetune_lab.people.votes import about, digest_of, read_votes, votes_file
from finetune_lab.records import Answer, Artifact, Evaluation, Sample
from finetune_lab.scoring import is_contrast
from finetune_lab.store.folders import read_json, write_member

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Study:
    """One question to people about the answers of artifacts, the last of them this config's."""

    lab: Lab
    name: str
    evaluator: AsksPeople
    artifacts: tuple[Artifact, ...]
    rows: tuple[Sample, ...]
    answers: tuple[tuple[Answer, ...], ...]
    ballot: Ballot

    @property
    def votes(self) -> Path:
        return votes_file(self.lab.outputs, self.name, self.evaluator.votes_key())

    @property
    def sets_against(self) -> bool:
        """Whether two artifacts are set against one another, so that there is one finding about both."""
        return is_contrast(self.lab.evaluators[self.name])


def open_study(lab: Lab, name: str) -> Study:
    """Everything is there before the first question: the answers are made now, unless they are kept.

    Raises ConfigError for an evaluator that asks no people, WorldError where nothing is trained yet.
    """
    evaluator: Any = lab.evaluators.get(name)
    if not hasattr(evaluator, "ballot"):
        known = ", ".join(one for one, other in lab.evaluators.items() if hasattr(other, "ballot"))
        raise ConfigError(
            f"task.evaluator: {name} is no evaluator of this line that asks people ({known or 'it has none'}); "
            "add eval=[human_pairwise] or eval=[rating]"
        )
    evaluator.check()
    artifacts = (*_others(lab, name, evaluator), lab.artifact)
    if len({one.key for one in artifacts}) < len(artifacts):
        told = " and ".join(one.label for one in artifacts)
        raise ConfigError(f"eval.{name}: {told} are the same artifact; choose another method, or name another one")
    absent = [one for one in artifacts if one.folder is not None and read_note(one.folder) is None]
    if absent:
        raise WorldError(f"nothing is trained at {absent[0].folder}; run the same line with task=run first")
    rows = lab.rows(evaluator)
    if not rows:
        raise ConfigError(f"eval.{name}: split {evaluator.rows.split!r} has no rows to ask about")
    answers = tuple(lab.answers(one, rows, evaluator.decoding) for one in artifacts)
    ballot = evaluator.ballot(rows, answers)
    if not ballot.gold and evaluator.gold.share > 0:
        log.warning("gold      no row holds an answer to make gold items of; eval.%s.gold.file names some", name)
    return Study(
        lab=lab,
        name=name,
        evaluator=evaluator,
        artifacts=artifacts,
        rows=rows,
        answers=answers,
        ballot=ballot,
    )


def survey_folder(study: Study) -> Path:
    """Where a line's survey and its key are, or will be."""
    measure = study.lab.measures[study.name]
    return study.lab.outputs / "surveys" / f"{study.name}-{measure}" / study.lab.artifact.key


def _others(lab: Lab, name: str, evaluator: Any) -> Iterator[Artifact]:
    if is_contrast(evaluator):
        yield lab.scoring.named(evaluator.reference, f"eval.{name}.reference").artifact
    else:
        yield from (lab.scoring.named(one, f"eval.{name}.beside").artifact for one in evaluator.beside)


def settle(study: Study) -> dict[str, Evaluation]:
    """The evaluations by all votes so far, by label: made again, the old ones put aside, where votes have come since.

    Nothing where nobody has voted yet.
    """
    found = {}
    scored = study.artifacts[-1:] if study.sets_against else study.artifacts
    for artifact in scored:
        try:
            found[artifact.label] = _settled(study, artifact)
        except WorldError as error:
            log.info("%-8s  %s", artifact.label, error)
    if found:
        study.lab.join(study.lab.artifact)
        for artifact in scored[:-1]:
            _enter(study, artifact)
    return found


def _settled(study: Study, artifact: Artifact) -> Evaluation:
    lab, note = study.lab, read_note(study.lab.evaluation_folder(study.name, artifact))
    if note is not None and note["counts"]["votes_digest"] != _digest(study, artifact):
        lab = replace(lab, fresh=lab.fresh | {"eval"}, renewed=set())
    return lab.scoring.evaluate(study.name, artifact)


def _digest(study: Study, artifact: Artifact) -> str:
    """A name for the votes that an evaluation of `artifact` would read now."""
    mine = study.answers if study.sets_against else (study.answers[study.artifacts.index(artifact)],)
    items = study.evaluator.ballot(study.rows, mine).by_id
    return digest_of(about(read_votes(study.votes), items).values())


def _enter(study: Study, artifact: Artifact) -> None:
    """Another arm of the group keeps under which measure it was scored, so that compare finds both."""
    path = study.lab.outputs / "groups" / study.lab.group / f"{artifact.key}.json"
    if path.exists():
        member = read_json(path)
        write_member(path, member | {"measures": {study.name: study.lab.measures[study.name]}})
        study.lab.store.index_membership(path)


def tell(study: Study, found: Mapping[str, Evaluation]) -> None:
    """What the votes say, and where to see it again."""
    for label, evaluation in found.items():
        for line in lines_of(label, evaluation):
            log.info("%s", line)
    log.info("votes     %s", study.votes)
    if found:
        log.info("next      task=compare group=%s, task=report group=%s", study.lab.group, study.lab.group)
