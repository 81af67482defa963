"""From the base to what was trained, score by score: one run against its own base."""

from collections.abc import Mapping

from finetune_lab.maths.compare import Arm, Difference, Question, compare_many
from finetune_lab.maths.pairing import no_difference
from finetune_lab.records import Evaluation, Score


def base_to_tuned(
    base: Mapping[str, Evaluation], tuned: Mapping[str, Evaluation], *, confidence: float, resamples: int
) -> list[Difference]:
    """The differences of every score of `tuned`, by evaluator; a contrast is its own difference."""
    questions = [
        _question(evaluator, score, found, base.get(evaluator))
        for evaluator, found in tuned.items()
        for score in found.scores
    ]
    return compare_many(questions, confidence=confidence, resamples=resamples)


def _question(evaluator: str, score: Score, tuned: Evaluation, base: Evaluation | None) -> Question:
    candidate = Arm(label="tuned", seeds=(tuned,), values=(score.value,))
    if base is None:  # a contrast
        reference = no_difference(candidate, score.statistic, "no difference")
    else:
        reference = Arm(label="base", seeds=(base,), trained=False, values=(_value(base, score.name),))
    return Question(
        name=score.name,
        statistic=score.statistic,
        higher_is_better=score.higher_is_better,
        reference=reference,
        candidate=candidate,
        unit=score.unit,
        evaluator=evaluator,
    )


def _value(evaluation: Evaluation, name: str) -> float | None:
    return next((score.value for score in evaluation.scores if score.name == name), None)
