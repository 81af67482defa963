"""What a judge is to look at: a set of qualities, each with its meaning and the steps of judging it, all from YAML."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from finetune_lab.plugin import plugin

Text = Annotated[str, Field(min_length=1)]


@plugin
class Criterion:
    """`meaning` completes "… means:"; `steps` are what a rubric's judge goes through, in order, and never rewrites."""

    meaning: Text
    steps: tuple[Text, ...] = Field(min_length=1)


@plugin
class Criteria:
    """`subject` says what is judged, as in "the better …". All of it is part of what a score is about."""

    subject: Text
    criteria: Mapping[str, Criterion] = Field(min_length=1)

    def named(self) -> Iterator[tuple[str, Criterion]]:
        """The criteria with their names as people write them."""
        for name, criterion in self.criteria.items():
            yield name.replace("_", " "), criterion

    def points(self) -> str:
        """The criteria as a list, for a prompt that weighs them together."""
        return "\n".join(f"- {name}: {criterion.meaning}" for name, criterion in self.named())
