"""How well a model predicts held-out text: perplexity per token, and bits per byte, which tokenizers share."""

import math
from collections import defaultdict
from typing import ClassVar, Literal

from pydantic import PositiveInt, model_validator

from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Chat, Subject
from finetune_lab.records import Evaluation, Sample, Score, Statistic, Tokens
from finetune_lab.text.windows import rolling

_PERPLEXITY = Statistic(kind="ratio", of="sum_nats", per="num_tokens", transform="exp")
_BITS_PER_BYTE = Statistic(kind="ratio", of="sum_nats", per="num_bytes", scale=1 / math.log(2))
_SEQUENCE = Statistic(kind="mean", of="nats_per_token")


@plugin
class Perplexity:
    """`mode`: completion scores answers with their end tokens, full everything behind the first token, rolling
    everything in windows of `window` tokens with at least `context` tokens before each target.
    """

    counts_tokens: ClassVar[bool] = True
    rows: RowChoice
    mode: Literal["completion", "full", "rolling"]
    window: PositiveInt
    context: PositiveInt

    @model_validator(mode="after")
    def _fits(self) -> "Perplexity":
        if self.context > self.window:
            raise ValueError(f"context should be at most the window, they are {self.context} and {self.window}")
        return self

    def evaluate(self, subject: Subject) -> Evaluation:
        """Score every row; a row without a target is unscored."""
        model = subject.model()
        pieces = [piece for sample in subject.rows for piece in self._pieces(model.chat, sample)]
        nats: dict[str, float] = defaultdict(float)
        tokens: dict[str, int] = defaultdict(int)
        for nll in model.nll(pieces):
            nats[nll.sample] += nll.sum_nats
            tokens[nll.sample] += nll.num_tokens
        return self._evaluation(subject.rows, nats, tokens)

    def _pieces(self, chat: Chat, sample: Sample) -> list[Tokens]:
        if self.mode == "completion":
            return [chat.conversation(sample)]
        everything = chat.everything(sample)
        if self.mode == "full":
            return [everything]
        return list(rolling(everything, window=self.window, context=self.context))

    def _evaluation(self, rows: tuple[Sample, ...], nats: dict[str, float], tokens: dict[str, int]) -> Evaluation:
        scored = [tokens[row.id] > 0 for row in rows]
        columns: dict[str, list[float | None]] = {
            "sum_nats": [nats[row.id] if ok else None for row, ok in zip(rows, scored, strict=True)],
            "num_tokens": [float(tokens[row.id]) if ok else None for row, ok in zip(rows, scored, strict=True)],
            "num_bytes": [float(self._bytes(row)) if ok else None for row, ok in zip(rows, scored, strict=True)],
            "nats_per_token": [
                nats[row.id] / tokens[row.id] if ok else None for row, ok in zip(rows, scored, strict=True)
            ],
        }
        total = sum(nats.values())
        num_tokens, num_bytes = sum(tokens.values()), sum(b for b in columns["num_bytes"] if b)
        each = [value for value in columns["nats_per_token"] if value is not None]
        scores = (
            _score("perplexity", math.exp(total / num_tokens) if num_tokens else None, _PERPLEXITY, ""),
            _score("bits_per_byte", total / num_bytes / math.log(2) if num_bytes else None, _BITS_PER_BYTE, "bits"),
            _score("sequence_nll", sum(each) / len(each) if each else None, _SEQUENCE, "nats per token"),
        )
        return Evaluation(
            samples=tuple(row.id for row in rows),
            clusters=tuple(row.group for row in rows),
            columns=columns,
            scores=scores,
            counts={"rows": len(rows), "unscored": scored.count(False), "tokens": num_tokens, "mode": self.mode},
        )

    def _bytes(self, row: Sample) -> int:
        """UTF-8 bytes of the original text that is scored, without the template's."""
        if row.text is not None:
            return len(row.text.encode())
        turns = row.messages if self.mode != "completion" else [m for m in row.messages if m["role"] == "assistant"]
        return sum(len(turn["content"].encode()) for turn in turns)


def _score(name: str, value: float | None, statistic: Statistic, unit: str) -> Score:
    return Score(name=name, value=value, higher_is_better=False, statistic=statistic, unit=unit)
