"""The whole experiment: score the base, train, score what came out, and say what the difference is worth."""

import logging
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from finetune_lab.comparison.base_to_tuned import base_to_tuned
from finetune_lab.comparison.declaring import declare
from finetune_lab.lab import Lab
from finetune_lab.maths.compare import Difference
from finetune_lab.once import read_note
from finetune_lab.plugin import plugin
from finetune_lab.protocols import Session
from finetune_lab.records import Artifact, Evaluation
from finetune_lab.reporting.publishing import keep_files
from finetune_lab.store.mirror import TABLE, TABLE_COLUMNS, pairs, summaries, table_rows
from finetune_lab.task.side_by_side import show_side_by_side
from finetune_lab.text.tables import caveat_lines, difference_table

log = logging.getLogger(__name__)
_MAX_TRACKED_ROWS = 64  # of the table of samples; all of them are in the store


@plugin
class Run:
    """`confidence` of the intervals and `resamples` of the bootstrap behind them."""

    confidence: float
    resamples: int

    def execute(self, lab: Lab) -> None:
        if lab.dry:
            self._plan(lab)
            return
        lab.check()
        lab.check_memory()
        before = list(self._missing(lab))
        declare(lab.outputs, lab.group, lab.rules)  # before the first score is made
        with lab.tracker.session(lab.card, lab.artifact.place) as session:
            base = lab.evaluate(lab.base)
            artifact = lab.train(session)
            tuned = lab.evaluate(artifact)
            lab.join(artifact)
            if before:  # a line whose work is all kept opens no tracker
                show_side_by_side(lab, base, tuned)
                self._tell(lab, session)
        self._show(lab, artifact, self._differences(base, tuned))

    @staticmethod
    def _places(lab: Lab) -> Iterator[tuple[str, Path]]:
        """What a run consists of, and where each piece of it is or will be."""
        yield "train", lab.artifact.place
        for artifact in (lab.base, lab.artifact):
            for name in lab.scoring.of(artifact):
                yield f"eval {name} {artifact.label}", lab.evaluation_folder(name, artifact)

    def _missing(self, lab: Lab) -> Iterator[str]:
        return (what for what, folder in self._places(lab) if lab.fresh or read_note(folder) is None)

    @staticmethod
    def _tell(lab: Lab, session: Session) -> None:
        """Scores of base and tuned under the names that all arms share, and their answers side by side."""
        run, base = lab.artifact.key, lab.base.key
        session.summarise(summaries(lab.store, run=run, base=base, measures=list(lab.measures.values())))
        texts = pairs(lab.store, run=run, base=base, max_rows=_MAX_TRACKED_ROWS)
        if texts:
            session.table(TABLE, TABLE_COLUMNS, table_rows(texts))
        keep_files(lab.store, lab.outputs, run, session)

    def _differences(self, base: dict[str, Evaluation], tuned: dict[str, Evaluation]) -> list[Difference]:
        return base_to_tuned(base, tuned, confidence=self.confidence, resamples=self.resamples)

    @staticmethod
    def _show(lab: Lab, artifact: Artifact, differences: list[Difference]) -> None:
        console = Console(highlight=False)
        console.print()
        console.print(difference_table(differences))
        for line in caveat_lines(differences):
            console.print(line, markup=False)
        log.info("adapter   %s", artifact.folder)
        for name in lab.evaluators:
            log.info("samples   %s", lab.evaluation_folder(name, artifact))
        log.info("store     %s", lab.outputs / "lab.sqlite")
        log.info("next      python -m finetune_lab task=compare group=%s", lab.group)

    @staticmethod
    def _estimate(lab: Lab) -> None:
        """What judge models would be asked at the most, and what that would cost, by the evaluators that ask them."""
        for name, evaluator in lab.evaluators.items():
            for one in getattr(evaluator, "estimate", lambda *_: ())(lab.rows(evaluator), lab.runtime.judges):
                log.info("would ask %-28s %s", f"eval {name}", one.line())

    def _plan(self, lab: Lab) -> None:
        """Say what would be kept and what made, without making it."""
        folders = dict.fromkeys([lab.data_folder, *(lab.data_folder_of(one) for one in lab.evaluators.values())])
        places = [("prepare", folder) for folder in folders]
        if all(read_note(folder) for _, folder in places):
            places += self._places(lab)
            self._estimate(lab)
        else:
            places.append(("train", lab.artifact.place))
            log.info("the keys of the evaluations are known once the data is prepared (task=prepare)")
        for what, folder in places:
            verb = "again" if what.partition(" ")[0] in lab.fresh else "kept"
            log.info("%-8s  %-28s %s", verb if read_note(folder) else "to make", what, folder)
