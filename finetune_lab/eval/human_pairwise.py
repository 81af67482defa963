"""Which of two arms answers better, by people who do not know which answer is whose (docs/people.md)."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.people.gold import Gold, GoldItem
from finetune_lab.people.items import Ballot
from finetune_lab.people.pairs import OPTIONS, Pairing, evaluated
from finetune_lab.people.votes import read_votes, votes_file
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Subject
from finetune_lab.records import Answer, Decoding, Evaluation, Sample


@plugin
class HumanPairwise:
    """People answer `question` about the answers of both to the same rows; task=ab asks, task=survey writes a file.

    Ties and "both bad" count one half. `gold` says how attention is seen, and by which rule raters are left out.
    """

    counts_tokens: ClassVar[bool] = False
    rows: RowChoice
    decoding: Decoding
    reference: str
    reads: tuple[str, ...]
    question: Annotated[str, Field(min_length=1)]
    gold: Gold
    confidence: Annotated[float, Field(gt=0, lt=1)]

    def identity(self) -> dict[str, Any]:
        """What is asked about which answers; the arm that is the reference enters the measure by itself."""
        asked = {"question": self.question, "options": [option.value for option in OPTIONS]}
        return {"decoding": self.decoding, "gold": self.gold, "confidence": self.confidence, **asked}

    def votes_key(self) -> str:
        """Votes answer a question; which answers they are about, each says itself."""
        return fingerprint(self.question, [option.value for option in OPTIONS])

    def check(self) -> None:
        """Raise DataError for a file of gold items that is not there."""
        self.gold.check("eval.human_pairwise")

    def ballot(self, rows: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> Ballot:
        """What is asked about the reference's and the candidate's answers."""
        pairing = Pairing.of(rows, *answers)
        return pairing.ballot(self.question, self._gold(pairing))

    def contrast(self, reference: Subject, candidate: Subject) -> Evaluation:
        """What all votes so far say. Raises WorldError where there are none yet."""
        pairing = Pairing.of(candidate.rows, reference.answers(self.decoding), candidate.answers(self.decoding))
        measure, outputs = candidate.folder.parent.name, candidate.folder.parents[2]
        votes = read_votes(votes_file(outputs, measure.rpartition("-")[0], self.votes_key()))
        found = evaluated(pairing, votes, self._gold(pairing), self.gold, self.confidence)
        if not found.counts["votes"] and found.counts["same_text"] < len(pairing.rows):
            raise WorldError(
                f"nobody has voted on the answers of {candidate.artifact.label} and {reference.artifact.label} yet, or "
                "everybody was left out by eval.human_pairwise.gold; task=ab asks people, task=survey writes a file"
            )
        return found

    def _gold(self, pairing: Pairing) -> tuple[GoldItem, ...]:
        return self.gold.pairs(pairing.rows, sum(item is not None for item in pairing.items()))
