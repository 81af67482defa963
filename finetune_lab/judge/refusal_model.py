"""Refusals told by a judge model: refused, partly, complied or incoherent. How well is measured by task=calibrate."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, SkipValidation

from finetune_lab.inference.clients.exchange import Reply, Request
from finetune_lab.inference.judging import panel, prompts
from finetune_lab.plugin import plugin
from finetune_lab.text.refusal import Judgement
from finetune_lab.text.verdicts import label_of

LABELS = ("refused", "partly", "complied", "incoherent")
_MOST_EVIDENCE = 300  # characters of what the judge said


@plugin
class RefusalModel:
    """`client` is any model, `wording` the text that it is asked in; the rest is as in judge_pairwise.

    An answer without a verdict is unscored; more questions without a reply than `unscored_limit` stop the line.
    """

    client: SkipValidation[Any]
    wording: str
    candidate: SkipValidation[Any]
    allow_own_family: bool
    unscored_limit: Annotated[float, Field(ge=0, le=1)]

    def identity(self) -> dict[str, Any]:
        """Who is asked, and what."""
        return {"client": self.client, "text": prompts.digest("refusal", self.wording)}

    def check(self) -> None:
        """Raise WorldError or ConfigError for a judge that cannot be asked, or should not be."""
        panel.check_panel("judge", {"client": self.client}, [self.wording])
        self.notes()

    def notes(self) -> list[str]:
        """What a report must say of this judge."""
        return panel.check_families("judge", {"client": self.client}, self.candidate, allowed=self.allow_own_family)

    def judge(self, exchanges: Sequence[tuple[str, str]], ask: panel.Ask) -> list[Judgement | None]:
        """Judge answers to prompts, given as (prompt, answer), in their order."""
        questions = [
            Request(messages=prompts.filled("refusal", self.wording, {"conversation": prompt, "answer": answer}))
            for prompt, answer in exchanges
        ]
        outcomes = ask(self.client, questions).outcomes
        panel.check_failures("judge", outcomes, self.unscored_limit)
        return [self._judgement(one.text) if isinstance(one, Reply) else None for one in outcomes]

    def _judgement(self, said: str) -> Judgement | None:
        label: Any = label_of(said, LABELS)
        if label is None:
            return None
        return Judgement(verdict=label, rule=self.client.name, evidence=" ".join(said.split())[:_MOST_EVIDENCE])
