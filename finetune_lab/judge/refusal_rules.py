"""Refusals told by rules over the words of an answer: offline and free (text/refusal.py)."""

from collections.abc import Sequence
from typing import Any

from finetune_lab.plugin import plugin
from finetune_lab.text.refusal import Judgement, judge


@plugin
class RefusalRules:
    """Without knobs, and without a look at the prompt. English."""

    def judge(self, exchanges: Sequence[tuple[str, str]], ask: Any) -> list[Judgement | None]:
        """Judge answers to prompts, given as (prompt, answer); every one is scored, and nobody is asked."""
        return [judge(answer) for _, answer in exchanges]
