"""Train and stop."""

import logging

from finetune_lab.comparison.declaring import declare
from finetune_lab.lab import Lab
from finetune_lab.plugin import plugin

log = logging.getLogger(__name__)


@plugin
class Train:
    """Make this config's artifact without scoring it."""

    def execute(self, lab: Lab) -> None:
        lab.check()
        lab.check_memory()
        declare(lab.outputs, lab.group, lab.rules)
        with lab.tracker.session(lab.card, lab.artifact.place) as session:
            artifact = lab.train(session)
        log.info("trained   %s", artifact.folder)
