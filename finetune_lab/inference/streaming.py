"""Texts written token by token, several side by side: a conversation may join or leave while the others go on.

Rows of one cache have one length, so a shorter one is padded on the left, where the attention mask hides it. The
choice of a token goes through the same processors and the same sampler as the engine's batches (sampling.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from finetune_lab.inference.cache import RoomyLayer, roomy_cache
from finetune_lab.inference.engine import Engine
from finetune_lab.inference.sampling import RowSampler
from finetune_lab.protocols import Chat
from finetune_lab.records import Decoding, Message

_UNFINISHED = "\ufffd"  # what decoding gives for half of a character


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What was added to the text `name`. `finish` stands in its last piece; `num_tokens` counts the text so far."""

    name: str
    text: str
    num_prompt_tokens: int
    num_tokens: int
    finish: Literal["end", "length"] | None


@dataclass
class _Text:
    """One text while it is written. `ids`: prompt and answer; the last one is not in the cache yet."""

    name: str
    ids: list[int]
    num_prompt: int
    decoding: Decoding
    processors: list[Any]
    shown: int = 0  # tokens of the answer whose characters have been handed out
    context: int = 0  # where decoding begins: some tokens change with the one before them
    finish: Literal["end", "length"] | None = field(default=None)

    def take(self, token: int, ends: frozenset[int]) -> None:
        """Add a token, or end."""
        if token in ends:
            self.finish = "end"
            return
        self.ids.append(token)
        if len(self.ids) - self.num_prompt >= self.decoding.max_new_tokens:
            self.finish = "length"

    def piece(self, chat: Chat) -> Piece:
        """The characters that are whole by now and were not handed out before."""
        answer = self.ids[self.num_prompt :]
        before, now = chat.decode(answer[self.context : self.shown]), chat.decode(answer[self.context :])
        whole = self.finish is not None or not now.endswith(_UNFINISHED)
        if whole:
            self.context, self.shown = self.shown, len(answer)
        return Piece(
            name=self.name,
            text=now[len(before) :] if whole else "",
            num_prompt_tokens=self.num_prompt,
            num_tokens=len(answer),
            finish=self.finish,
        )


class Conversations:
    """Texts that one model writes side by side. Everything happens in the thread that calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ends = engine.ends()
        self._texts: list[_Text] = []
        self._cache: Any = None
        self._mask = torch.zeros(0, 0, dtype=torch.long)  # [texts, length]: 0 is padding on the left
        probe = roomy_cache(engine.module, 1)
        self._joinable = probe is not None and all(isinstance(layer, RoomyLayer) for layer in probe.layers)

    def __len__(self) -> int:
        """How many texts are being written."""
        return len(self._texts)

    @property
    def takes_more(self) -> bool:
        """Whether another may join: a cache of a kind of its own (sliding windows, states) holds one text alone."""
        return not self._texts or self._joinable

    @torch.no_grad()
    def join(self, name: str, prompt: Sequence[int], decoding: Decoding, *, draw: str | None = None) -> Piece:
        """Read a prompt and write its first token. Random draws go by the seed and `draw`, else by seed and name."""
        assert self.takes_more
        text = _Text(
            name, list(prompt), len(prompt), decoding, _processors(draw or name, decoding, self._engine.device)
        )
        cache = roomy_cache(self._engine.module, len(prompt) + decoding.max_new_tokens)
        ids = torch.tensor([text.ids], device=self._engine.device)
        found = self._engine.module(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        text.take(_chosen(text, found.logits[0, -1]), self._ends)
        if text.finish is None:
            self._add(text, found.past_key_values)
        return text.piece(self._engine.chat)

    @torch.no_grad()
    def step(self) -> list[Piece]:
        """Write one token of every text; those that have ended leave."""
        if not self._texts:
            return []
        device = self._engine.device
        places = self._mask.sum(1, keepdim=True)
        self._mask = pad(self._mask, (0, 1), value=1)
        padded = bool((self._mask == 0).any())
        found = self._engine.module(
            input_ids=torch.tensor([[text.ids[-1]] for text in self._texts], device=device),
            attention_mask=self._mask.to(device) if padded else None,
            position_ids=places.to(device),
            past_key_values=self._cache,
            use_cache=True,
        )
        self._cache = found.past_key_values
        for text, logits in zip(self._texts, found.logits[:, -1], strict=True):
            text.take(_chosen(text, logits), self._ends)
        pieces = [text.piece(self._engine.chat) for text in self._texts]
        self._keep([number for number, text in enumerate(self._texts) if text.finish is None])
        return pieces

    def leave(self, name: str) -> None:
        """Stop writing a text; nothing happens where it has ended already."""
        self._keep([number for number, text in enumerate(self._texts) if text.name != name])

    def _add(self, text: _Text, cache: Any) -> None:
        mask = torch.ones(1, text.num_prompt, dtype=torch.long)
        if self._texts:
            length, new = self._mask.shape[1], text.num_prompt
            more, new_more = max(0, new - length), max(0, length - new)
            for own, other in zip(self._cache.layers, cache.layers, strict=True):
                own.keys, own.values = (
                    torch.cat([pad(old, (0, 0, more, 0)), pad(fresh, (0, 0, new_more, 0))])
                    for old, fresh in ((own.keys, other.keys), (own.values, other.values))
                )
            mask = torch.cat([pad(self._mask, (more, 0)), pad(mask, (new_more, 0))])
        else:
            self._cache = cache
        self._mask = mask
        self._texts.append(text)

    def _keep(self, numbers: list[int]) -> None:
        """Let the other texts go, and the padding that only they needed."""
        if len(numbers) == len(self._texts):
            return
        self._texts = [self._texts[number] for number in numbers]
        if not numbers:
            self._cache, self._mask = None, self._mask[:0, :0]
            return
        mask = self._mask[numbers]
        start = int(mask.argmax(1).min())  # the first 1 of the longest row
        self._mask = mask[:, start:]
        for layer in self._cache.layers:
            rows = torch.tensor(numbers, device=layer.keys.device)
            layer.keys, layer.values = layer.keys[rows, :, start:], layer.values[rows, :, start:]


def stream(engine: Engine, prompt: Sequence[int], decoding: Decoding, name: str = "chat") -> Iterator[Piece]:
    """Answer one prompt piece by piece; to stop early is to stop reading."""
    texts = Conversations(engine)
    yield texts.join(name, prompt, decoding)
    while len(texts):
        yield from texts.step()


def say(engine: Engine, turns: Sequence[Message], decoding: Decoding) -> Iterator[str]:
    """The answer to a conversation, as pieces of text."""
    return (piece.text for piece in stream(engine, engine.chat.prompt(turns), decoding))


def _processors(name: str, decoding: Decoding, device: str) -> list[Any]:
    from transformers import NoRepeatNGramLogitsProcessor, RepetitionPenaltyLogitsProcessor

    found: list[Any] = []
    if decoding.repetition_penalty != 1:
        found.append(RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty))
    if decoding.no_repeat_ngram:
        found.append(NoRepeatNGramLogitsProcessor(decoding.no_repeat_ngram))
    return [*found, RowSampler(decoding, [name], device)] if decoding.temperature > 0 else found


def _chosen(text: _Text, logits: Tensor) -> int:
    """The next token of a text, from the logits [vocabulary] behind its last one."""
    scores = logits[None].float()
    ids = torch.tensor([text.ids], device=scores.device) if text.processors else scores
    for process in text.processors:
        scores = process(ids, scores)
    return int(scores.argmax())
