"""Prepare the data and stop."""

import logging

from finetune_lab.lab import Lab
from finetune_lab.plugin import plugin
from finetune_lab.preparing.pipeline import summary

log = logging.getLogger(__name__)


@plugin
class Prepare:
    """Write the splits, and say what was read and what was left out."""

    def execute(self, lab: Lab) -> None:
        lab.data.check()
        note = lab.dataset
        log.info(summary(note))
        if note["dropped"]:
            log.info("left out: %s", lab.data_folder / "dropped.jsonl")
        log.info("next:     python -m finetune_lab data=%s", lab.names.data)
