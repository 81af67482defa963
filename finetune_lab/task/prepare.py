"""Prepare the data and stop."""

import logging
from typing import Any

from finetune_lab.lab import Lab
from finetune_lab.once import read_note
from finetune_lab.plugin import plugin
from finetune_lab.preparing.card import CARD
from finetune_lab.preparing.filtering import check_filters
from finetune_lab.preparing.pipeline import DROPPED, summary
from finetune_lab.records import RunCard

log = logging.getLogger(__name__)


@plugin
class Prepare:
    """Write the splits and the data card, say what was read and what was left out, and show the card to the tracker."""

    def execute(self, lab: Lab) -> None:
        lab.data.check()
        check_filters(lab.data)
        lab.tracker.check()
        before = read_note(lab.data_folder)
        note = lab.dataset
        if before == note:  # else it was said when it was made
            log.info(summary(note))
        if note["dropped"]:
            log.info("left out: %s", lab.data_folder / DROPPED)
        log.info("card:     %s", lab.data_folder / CARD)
        if before != note:  # a line whose work is all kept opens no tracker
            self._show(lab, note)
        log.info("next:     the same line without task=prepare trains on it")

    @staticmethod
    def _show(lab: Lab, note: dict[str, Any]) -> None:
        """The card and its figures, not the rows: those may be nobody else's business."""
        card = RunCard(
            key=f"data-{note['key']}",
            base="",
            label=f"data {lab.names.data}",
            group=lab.group,
            model="",
            data=lab.names.data,
            method="",
            seed=lab.seed,
            config={"data": lab.config["data"], "digest": note["digest"]},
            job="prepare",
        )
        figures = sorted(lab.data_folder.glob("*.svg"))
        with lab.tracker.session(card, lab.outputs) as session:
            session.files(f"data-{lab.names.data}", "data_card", [lab.data_folder / CARD, *figures])
            session.summarise({f"rows/{name}": split["rows"] for name, split in note["splits"].items()})
