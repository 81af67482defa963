"""What the tasks that score base and tuned leave for people: both models' scores and samples beside one another."""

import logging
from collections.abc import Mapping

from finetune_lab.fingerprint import fingerprint
from finetune_lab.lab import ANSWERS_REVISION, Lab
from finetune_lab.records import Artifact, Evaluation
from finetune_lab.store.side_by_side import METRICS, write_side_by_side

log = logging.getLogger(__name__)


def show_side_by_side(lab: Lab, base: Mapping[str, Evaluation], tuned: Mapping[str, Evaluation]) -> None:
    """Write the files of every evaluator into the tuned model's evaluation folder; with answers where they are kept."""
    for name in (name for name in tuned if name in base):  # a contrast has found nothing on the base alone
        folder = lab.evaluation_folder(name, lab.artifact)
        write_side_by_side(
            folder,
            lab.rows(lab.evaluators[name]),
            base=base[name],
            tuned=tuned[name],
            base_texts=_texts(lab, name, lab.base),
            tuned_texts=_texts(lab, name, lab.artifact),
        )
        log.info("beside    %s", folder / METRICS)


def _texts(lab: Lab, name: str, artifact: Artifact) -> dict[str, str]:
    """What `artifact` wrote for this evaluator, by sample; nothing for one that reads no answers."""
    evaluator = lab.evaluators[name]
    decoding = getattr(evaluator, "decoding", None)
    if decoding is None:
        return {}
    key = fingerprint(ANSWERS_REVISION, [row.id for row in lab.rows(evaluator)], decoding)
    return {answer.sample: answer.text for answer in lab.store.answers(artifact.key, key)}
