"""How good people find the answers, one by one, on a scale of one's own (docs/people.md)."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.people.gold import Gold, GoldItem
from finetune_lab.people.items import Ballot
from finetune_lab.people.ratings import Scale, ballot_of, evaluated
from finetune_lab.people.votes import read_votes, votes_file
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Subject
from finetune_lab.records import Answer, Decoding, Evaluation, Sample


@plugin
class Rating:
    """People give every answer points on `scale`; task=rate asks them, answers of `beside` mixed with this config's.

    `beside` names artifacts: base, the label of an arm of the group, the key of a run. It changes no one's number.
    """

    counts_tokens: ClassVar[bool] = False
    rows: RowChoice
    decoding: Decoding
    beside: tuple[str, ...]
    question: Annotated[str, Field(min_length=1)]
    scale: Scale
    gold: Gold
    confidence: Annotated[float, Field(gt=0, lt=1)]

    def identity(self) -> dict[str, Any]:
        """What is asked about the answers, and who is left out."""
        asked = {"question": self.question, "scale": self.scale}
        return {"decoding": self.decoding, "gold": self.gold, "confidence": self.confidence, **asked}

    def votes_key(self) -> str:
        """Votes answer a question on a scale; which answers they are about, each says itself."""
        return fingerprint(self.question, self.scale)

    def check(self) -> None:
        """Raise DataError for a file of gold items that is not there."""
        self.gold.check("eval.rating")

    def ballot(self, rows: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Ballot:
        """The answers of all artifacts as one heap."""
        return ballot_of(self.question, self.scale, rows, answers, self._gold(rows))

    def evaluate(self, subject: Subject) -> Evaluation:
        """What all votes so far say of one artifact. Raises WorldError where there are none yet."""
        answers = subject.answers(self.decoding)
        measure, outputs = subject.folder.parent.name, subject.folder.parents[2]
        votes = read_votes(votes_file(outputs, measure.rpartition("-")[0], self.votes_key()))
        found = evaluated(subject.rows, answers, votes, self._gold(subject.rows), self.gold, self.confidence)
        if not found.counts["votes"]:
            raise WorldError(
                f"nobody has rated the answers of {subject.artifact.label} yet, or everybody was left out by "
                "eval.rating.gold; task=rate asks people, task=survey task.evaluator=rating writes a file"
            )
        return found

    def _gold(self, rows: Sequence[Sample]) -> tuple[GoldItem, ...]:
        # by the rows, not by the answers: every artifact's evaluation must know the same gold items
        return self.gold.singles(rows, len(rows), self.scale.middle, self.scale.lowest)
