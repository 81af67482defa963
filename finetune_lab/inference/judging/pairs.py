"""Two answers to one prompt, shown to a judge in both orders: what it said, and what that is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finetune_lab.inference.clients.exchange import Outcome, Reply, Request
from finetune_lab.inference.judging.panel import reason_of
from finetune_lab.inference.judging.prompts import filled
from finetune_lab.maths.winrate import win_rate
from finetune_lab.text.verdicts import margin_of


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What a judge compares: the conversation, and two answers to it."""

    conversation: str
    reference: str
    candidate: str

    @property
    def alike(self) -> bool:
        """Word for word the same: a tie that nobody is asked about."""
        return self.reference.strip() == self.candidate.strip()


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One voice on one pair. Margins are the candidate's, from −2 to 2: where it stood second, and where first.

    `win` is 1, 0 or 0.5, None without a verdict in both orders; then `reason` says why.
    """

    margins: tuple[int | None, int | None]
    win: float | None
    reason: str | None = None
    texts: tuple[str, str] = ("", "")


def questions(pairs: Sequence[Pair], wording: str, subject: str, points: str) -> list[Request]:
    """Two questions for every pair that differs: the reference first, then the candidate first."""
    return [
        Request(
            messages=filled(
                "pairwise",
                wording,
                {
                    "subject": subject,
                    "criteria": points,
                    "conversation": pair.conversation,
                    "first": first,
                    "second": second,
                },
            )
        )
        for pair in pairs
        if not pair.alike
        for first, second in ((pair.reference, pair.candidate), (pair.candidate, pair.reference))
    ]


def judged(pairs: Sequence[Pair], outcomes: Sequence[Outcome]) -> list[Judged]:
    """What a voice said of every pair, from the outcomes of `questions`."""
    found = iter(outcomes)
    alike = Judged(margins=(0, 0), win=0.5, reason="the same text")
    return [alike if pair.alike else _consolidated(next(found), next(found)) for pair in pairs]


def _consolidated(second: Outcome, first: Outcome) -> Judged:
    """A win is one that holds in both orders; disagreement is a tie.

    Source: Zheng et al. (2023), Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena, arXiv:2306.05685, §3.4.
    """
    told = [margin_of(one.text) if isinstance(one, Reply) else None for one in (second, first)]
    texts = tuple(one.text if isinstance(one, Reply) else one.reason for one in (second, first))
    margins = (None if told[0] is None else -told[0], told[1])
    missing = [reason_of(one) for one, margin in zip((second, first), told, strict=True) if margin is None]
    if margins[0] is None or margins[1] is None:
        return Judged(margins=margins, win=None, reason=missing[0], texts=(texts[0], texts[1]))
    one, other = np.sign(margins[0]), np.sign(margins[1])
    win = 0.5 if one != other else float(one + 1) / 2
    return Judged(margins=margins, win=win, texts=(texts[0], texts[1]))


def consistent(one: Judged) -> float | None:
    """Whether the order changed nothing about who is better; None where that was not asked or not told."""
    if one.win is None or one.reason is not None or one.margins[0] is None or one.margins[1] is None:
        return None
    return float(np.sign(one.margins[0]) == np.sign(one.margins[1]))


def first_favoured(one: Judged) -> float | None:
    """How much the answer that stood first was preferred, whichever it was: from −1 to 1, the mean of both orders."""
    if consistent(one) is None:
        return None
    assert one.margins[0] is not None
    assert one.margins[1] is not None
    return float(np.sign(one.margins[1]) - np.sign(one.margins[0])) / 2


def position(found: Sequence[Judged], clusters: Sequence[int], confidence: float) -> dict[str, Any]:
    """How the order of the answers moved a voice.

    `first_share`: how often the first answer was preferred, ties as halves; 0.5 without a bias. `first_only` and
    `second_only`: pairs in which the answer in that place won both times.
    """
    agreed = [value for one in found if (value := consistent(one)) is not None]
    leaning = [first_favoured(one) for one in found]
    shares = np.array([np.nan if value is None else 1 + (value + 1) / 2 for value in leaning], dtype=np.float64)
    share = win_rate(shares, clusters=np.asarray(clusters, dtype=np.int64), confidence=confidence)
    return {
        "consistency": sum(agreed) / len(agreed) if agreed else None,
        "first_share": {"value": share.value, "low": share.interval.low, "high": share.interval.high},
        "first_only": sum(value == 1 for value in leaning),
        "second_only": sum(value == -1 for value in leaning),
    }
