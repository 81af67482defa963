"""Rows of a length in tokens, as the model counts them."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveInt

from finetune_lab.plugin import plugin
from finetune_lab.records import Candidate, Verdict


@plugin
class Tokens:
    """Drops rows of fewer than `least` or more than `most` tokens, by `model`'s tokenizer and chat template.

    `part`: conversation counts everything that is trained on, with control tokens; answer only what is learned.
    """

    part: Literal["conversation", "answer"]
    least: NonNegativeInt
    most: PositiveInt | None
    model: Any

    def identity(self) -> dict[str, Any]:
        """The tokenizer and the template count, not the weights."""
        tokenizer = self.model.tokenizer_digest()
        return {"part": self.part, "least": self.least, "most": self.most, "tokenizer": tokenizer}

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        chat = self.model.chat()
        return [self._verdict(chat.conversation(row.sample).targets) for row in rows]

    def _verdict(self, targets: tuple[bool, ...]) -> Verdict:
        num_tokens = len(targets) if self.part == "conversation" else sum(targets)
        if num_tokens < self.least:
            return Verdict(reason=f"under {self.least} tokens", detail=str(num_tokens))
        if self.most is not None and num_tokens > self.most:
            return Verdict(reason=f"over {self.most} tokens", detail=str(num_tokens))
        return Verdict()
