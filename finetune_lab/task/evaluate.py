"""Score without training."""

import json
import logging
from collections.abc import Mapping
from typing import Literal

from finetune_lab.errors import WorldError
from finetune_lab.lab import Lab
from finetune_lab.once import read_note, write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.records import Artifact, Evaluation
from finetune_lab.store.folders import checkpoint_key
from finetune_lab.task.side_by_side import show_side_by_side
from finetune_lab.training.checkpoints import CheckpointMaker, whole_checkpoints

log = logging.getLogger(__name__)
BY_STEP = "scores_by_step.json"
Points = dict[str, list[tuple[int, float | None]]]


@plugin
class Evaluate:
    """Score the base, what this config has trained, or both, with the config's evaluators.

    What a method that trains nothing stands for is written down first. `checkpoints`: those of the training that are
    still kept as well; their scores by step go into the run's folder.
    """

    which: Literal["base", "tuned", "both"]
    checkpoints: Literal["none", "last", "all"]

    def execute(self, lab: Lab) -> None:
        lab.check()
        if self.which != "base" and not getattr(lab.method, "trains", True):
            with lab.tracker.session(lab.card, lab.artifact.place) as session:
                lab.train(session)
        found = {artifact.label: self._score(lab, artifact) for artifact in self._artifacts(lab)}
        if self.which == "both":
            show_side_by_side(lab, found[lab.base.label], found[lab.artifact.label])
        if self.checkpoints != "none":
            self._write_by_step(lab)

    @staticmethod
    def _score(lab: Lab, artifact: Artifact) -> Mapping[str, Evaluation]:
        found = lab.evaluate(artifact)
        for name, evaluation in found.items():
            shown = ", ".join(f"{s.name} {s.value:.4g}" for s in evaluation.scores if s.value is not None)
            log.info("%-8s %s: %s", artifact.label, name, shown or "nothing could be scored")
        return found

    def _artifacts(self, lab: Lab) -> list[Artifact]:
        tuned = lab.artifact
        if (self.which != "base" or self.checkpoints != "none") and read_note(tuned.place) is None:
            raise WorldError(f"nothing is trained at {tuned.folder}; run the same line with task=run first")
        return {"base": [lab.base], "tuned": [tuned], "both": [lab.base, tuned]}[self.which]

    def _write_by_step(self, lab: Lab) -> None:
        points: Points = {}
        for step, artifact in self._checkpoints(lab).items():
            for name, evaluation in self._score(lab, artifact).items():
                for score in evaluation.scores:
                    points.setdefault(f"{name}/{score.name}", []).append((step, score.value))
        path = lab.artifact.place / BY_STEP
        write_atomically(path, json.dumps(points, indent=2))
        log.info("by step   %s", path)

    def _checkpoints(self, lab: Lab) -> dict[int, Artifact]:
        run = lab.artifact
        kept = whole_checkpoints(run.place)
        if not kept:
            raise WorldError(
                f"{run.folder} keeps no checkpoint; runtime.checkpoints_kept says how many a training keeps"
            )
        steps = list(kept) if self.checkpoints == "all" else list(kept)[-1:]
        return {
            step: Artifact(
                key=checkpoint_key(run.key, step),
                label=f"{run.label} step {step}",
                folder=kept[step],
                maker=CheckpointMaker(),
            )
            for step in steps
        }
