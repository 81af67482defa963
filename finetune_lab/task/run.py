"""The whole experiment: score the base, train, score what came out, and say what the difference is worth."""

import logging

from rich.console import Console

from finetune_lab.lab import Lab
from finetune_lab.maths.compare import Arm, Difference, Question, compare_many
from finetune_lab.once import read_note
from finetune_lab.plugin import plugin
from finetune_lab.records import Artifact, Evaluation
from finetune_lab.text.tables import caveat_lines, difference_table

log = logging.getLogger(__name__)


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
        with lab.tracker.session(lab.card, lab.artifact.place) as session:
            base = lab.evaluate(lab.base, session)
            artifact = lab.train(session)
            tuned = lab.evaluate(artifact, session)
        lab.join(artifact)
        self._show(lab, artifact, self._differences(base, tuned))

    def _differences(self, base: dict[str, Evaluation], tuned: dict[str, Evaluation]) -> list[Difference]:
        questions = [
            Question(
                name=score.name,
                statistic=score.statistic,
                higher_is_better=score.higher_is_better,
                reference=Arm(
                    label="base", seeds=(base[evaluator],), trained=False, values=(_value(base[evaluator], score.name),)
                ),
                candidate=Arm(label="tuned", seeds=(tuned[evaluator],), values=(score.value,)),
                unit=score.unit,
                evaluator=evaluator,
            )
            for evaluator in tuned
            for score in tuned[evaluator].scores
        ]
        return compare_many(questions, confidence=self.confidence, resamples=self.resamples)

    @staticmethod
    def _show(lab: Lab, artifact: Artifact, differences: list[Difference]) -> None:
        console = Console(highlight=False)
        console.print()
        console.print(difference_table(differences))
        for line in caveat_lines(differences):
            console.print(line, markup=False)
        log.info("adapter   %s", artifact.folder)
        for name, measure in lab.measures.items():
            log.info("samples   %s", lab.outputs / "evals" / f"{name}-{measure}" / artifact.key)
        log.info("store     %s", lab.outputs / "lab.sqlite")
        log.info("next      python -m finetune_lab task=compare group=%s", lab.group)

    @staticmethod
    def _plan(lab: Lab) -> None:
        """Say what would be kept and what made, without making it."""
        places = {"data": lab.data_folder, "train": lab.artifact.place}
        if read_note(lab.data_folder):
            for name, measure in lab.measures.items():
                for artifact in (lab.base, lab.artifact):
                    places[f"eval {name} {artifact.label}"] = lab.outputs / "evals" / f"{name}-{measure}" / artifact.key
        else:
            log.info("the keys of the evaluations are known once the data is prepared")
        for what, folder in places.items():
            log.info("%s  %-28s %s", "kept    " if read_note(folder) else "to make ", what, folder)


def _value(evaluation: Evaluation, name: str) -> float | None:
    return next((score.value for score in evaluation.scores if score.name == name), None)
