"""A chat that puts examples before what is asked: every reader of a model's chat sees the same prompt."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from finetune_lab.errors import DataError
from finetune_lab.inference.retrieval.examples import Example
from finetune_lab.inference.retrieval.index import Index
from finetune_lab.records import Message, Sample, Tokens
from finetune_lab.text.chat import Chat


@dataclass(frozen=True, kw_only=True)
class Shots:
    """How many examples at the most, how like they must be, and what room they have.

    `budget_tokens` for all of them together; `answer_tokens` of the model's `context_tokens` stay free for the answer.
    """

    num_examples: int
    least_similarity: float
    order: Literal["nearest_last", "nearest_first"]
    budget_tokens: int
    answer_tokens: int
    context_tokens: int | None


@dataclass
class Told:
    """What happened to the prompts, for a line at the end."""

    prompts: int = 0
    examples: int = 0
    unlike: int = 0  # prompts with fewer examples, since no more were like enough
    crowded: int = 0  # prompts with fewer, since no more had room
    own: int = 0  # examples that asked the very question

    def lines(self, shots: Shots) -> list[str]:
        """What fell short; nothing where every prompt had all its examples."""
        found = []
        if self.crowded:
            found.append(
                f"{self.crowded} of {self.prompts} prompts have fewer than {shots.num_examples} examples: no more fit "
                f"into {shots.budget_tokens} tokens and the model's context beside {shots.answer_tokens} of an answer"
            )
        if self.unlike:
            found.append(
                f"{self.unlike} of {self.prompts} prompts have fewer than {shots.num_examples} examples: no more are "
                f"like them (a cosine of {shots.least_similarity:g} or more)"
            )
        if self.own:
            found.append(f"{self.own} examples were left out, since they ask the very question and hold its answer")
        return found


@dataclass(frozen=True)
class ExampleChat:
    """`inner` with examples out of `index` behind the system message. Only prompts of a conversation get them."""

    inner: Chat
    index: Index
    shots: Shots
    told: Told = field(default_factory=Told)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of examples and `messages`. What is asked stays whole; an example is whole or not there."""
        return self.inner.prompt(with_examples(messages, self.chosen(messages), self.shots.order))

    def conversation(self, sample: Sample) -> Tokens:
        """The tokens of a row behind the examples of its prompt; only the row's own answers are targets."""
        if sample.text is not None:
            return self.document(sample)
        chosen = self.chosen(sample.prompt)
        tokens = self._conversation(sample, chosen)
        while chosen and self.shots.context_tokens is not None and len(tokens.ids) > self.shots.context_tokens:
            chosen = chosen[:-1]  # the answer is longer than the room that is kept for one
            tokens = self._conversation(sample, chosen)
        return tokens

    def everything(self, sample: Sample) -> Tokens:
        """As without examples: where the question is scored too, it may not have chosen what stands before it."""
        return self.inner.everything(sample)

    def document(self, sample: Sample) -> Tokens:
        """Plain text, which asks nothing: no examples."""
        return self.inner.document(sample)

    def decode(self, ids: Sequence[int]) -> str:
        return self.inner.decode(ids)

    def render(self, messages: Sequence[Message], *, answering: bool = False) -> str:
        """The text of `messages`, behind examples where it is to be answered."""
        turns = with_examples(messages, self.chosen(messages), self.shots.order) if answering else messages
        return self.inner.render(turns, answering=answering)

    def with_options(self, options: Mapping[str, Any]) -> "ExampleChat":
        """The same with further options for the template."""
        return replace(self, inner=self.inner.with_options(options))

    @property
    def tokenizer(self) -> Any:
        return self.inner.tokenizer

    @property
    def template(self) -> str | None:
        return self.inner.template

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens that end an assistant's turn."""
        return self.inner.end_tokens

    def chosen(self, messages: Sequence[Message]) -> list[Example]:
        """The examples for a prompt, nearest first: those of the nearest that have room, from the nearest on."""
        shots = self.shots
        found, own = self.index.nearest(messages, shots.num_examples, shots.least_similarity)
        like = [one.example for one in found]
        kept = self._fitting(messages, like)
        self.told.prompts += 1
        self.told.examples += len(kept)
        self.told.own += own
        self.told.unlike += len(like) < min(shots.num_examples, len(self.index.examples) - own)
        self.told.crowded += len(kept) < len(like)
        return kept

    def _fitting(self, messages: Sequence[Message], like: Sequence[Example]) -> list[Example]:
        if not like:
            return []
        bare = self._length(messages, [])
        room = self.shots.budget_tokens
        if self.shots.context_tokens is not None:
            room = min(room, self.shots.context_tokens - self.shots.answer_tokens - bare)
        if self._length(messages, like) - bare <= room:
            return list(like)
        kept: list[Example] = []
        for example in like:
            if self._length(messages, [*kept, example]) - bare <= room:
                kept.append(example)
        return kept

    def _length(self, messages: Sequence[Message], chosen: Sequence[Example]) -> int:
        return len(self.inner.prompt(with_examples(messages, chosen, self.shots.order)))

    def _conversation(self, sample: Sample, chosen: Sequence[Example]) -> Tokens:
        """The targets of a conversation are runs, one for each answer, and the row's own are the last of them."""
        whole = replace(sample, messages=tuple(with_examples(sample.messages, chosen, self.shots.order)))
        tokens = self.inner.conversation(whole)
        starts = [
            place for place, target in enumerate(tokens.targets) if target and not (place and tokens.targets[place - 1])
        ]
        given = sum(turn["role"] == "assistant" for example in chosen for turn in example.turns)
        if len(starts) != sum(turn["role"] == "assistant" for turn in whole.messages):
            raise DataError(
                f"row {sample.id}: the chat template runs answers together, so examples cannot be told apart"
            )
        first = [*starts, len(tokens.ids)][given]
        return replace(tokens, targets=tuple(target and place >= first for place, target in enumerate(tokens.targets)))


def with_examples(
    messages: Sequence[Message], chosen: Sequence[Example], order: Literal["nearest_last", "nearest_first"]
) -> list[Message]:
    """`messages` with the turns of the examples (given nearest first) behind the system message."""
    start = next((place for place, turn in enumerate(messages) if turn["role"] != "system"), len(messages))
    ordered = reversed(chosen) if order == "nearest_last" else chosen
    turns = [turn for example in ordered for turn in example.turns]
    return [*messages[:start], *turns, *messages[start:]]


def with_chat(model: Any, chat: Any) -> Any:
    """The same weights behind another chat; `model` keeps its own."""
    other = copy(model)
    other.chat = chat
    return other


def context_tokens(model: Any) -> int | None:
    """How many tokens the model takes by its own settings; None where it does not say."""
    config = getattr(getattr(model, "module", None), "config", None)
    settings = getattr(config, "get_text_config", lambda: config)()  # a model that also sees has settings of its text
    found = getattr(settings, "max_position_embeddings", None)
    return None if found is None else int(found)
