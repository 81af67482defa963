"""Score without training."""

import logging
from typing import Literal

from finetune_lab.comparison.declaring import declare
from finetune_lab.errors import WorldError
from finetune_lab.lab import Lab
from finetune_lab.once import read_note
from finetune_lab.plugin import plugin
from finetune_lab.records import Artifact

log = logging.getLogger(__name__)


@plugin
class Evaluate:
    """Score the base, what this config has trained, or both, with the config's evaluators."""

    which: Literal["base", "tuned", "both"]

    def execute(self, lab: Lab) -> None:
        lab.check()
        declare(lab.outputs, lab.group, lab.rules)
        for artifact in self._artifacts(lab):
            for name, evaluation in lab.evaluate(artifact).items():
                shown = ", ".join(f"{s.name} {s.value:.4g}" for s in evaluation.scores if s.value is not None)
                log.info("%-8s %s: %s", artifact.label, name, shown or "nothing could be scored")
            lab.join(artifact)

    def _artifacts(self, lab: Lab) -> list[Artifact]:
        tuned = lab.artifact
        if self.which != "base" and read_note(tuned.place) is None:
            raise WorldError(f"nothing is trained at {tuned.folder}; run the same line with task=run first")
        return {"base": [lab.base], "tuned": [tuned], "both": [lab.base, tuned]}[self.which]
