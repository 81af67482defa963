"""Training rows as examples: a question with its answer, and what tells that two ask the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from finetune_lab.records import Message, Sample
from finetune_lab.text.normal import normal


@dataclass(frozen=True, kw_only=True)
class Example:
    """The turns of a row without its system message, from the first question to the answer."""

    sample: str
    turns: tuple[Message, ...]

    @property
    def answer(self) -> str:
        """What the row answers."""
        return self.turns[-1]["content"]


def examples_of(rows: Sequence[Sample]) -> list[Example]:
    """The rows that can be examples, in their order: user and assistant by turns, an answer at the end."""
    found = [Example(sample=row.id, turns=tuple(spoken(row.messages))) for row in rows]
    return [one for one in found if one.turns and _by_turns(one.turns)]


def spoken(messages: Sequence[Message]) -> list[Message]:
    """The turns behind the system messages."""
    return [message for message in messages if message["role"] != "system"]


def query_of(messages: Sequence[Message]) -> str:
    """What is looked for: the last thing that the user says; nothing where the user says nothing."""
    return next((turn["content"] for turn in reversed(messages) if turn["role"] == "user"), "")


def same_question(messages: Sequence[Message]) -> str:
    """A text that two prompts share where they ask the same, but for case, spacing and forms of characters."""
    return "\n".join(f"{turn['role']}: {normal(turn['content'])}" for turn in spoken(messages))


def _by_turns(turns: Sequence[Message]) -> bool:
    roles = [turn["role"] for turn in turns]
    return roles == ["user", "assistant"] * (len(roles) // 2)
