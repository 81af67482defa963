"""Does an operator like min_faves filter within a conversation? And what would a collection bring and cost?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from finetune_lab.maths.agreement import share

Answer = Literal["filters", "ignored", "refused", "hides", "unclear"]
MEANING: dict[Answer, str] = {
    "filters": "it filters: only posts with enough likes came, and without it others came too",
    "ignored": "it is ignored: posts with fewer likes came all the same; filter after reading",
    "refused": "it is refused by this access: filter after reading",
    "hides": "it hides too much: without it posts with enough likes came, with it none",
    "unclear": "it cannot be told: the sample without it has no post on both sides of the limit",
}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """`answer` for one conversation, and a projection: replies in all, those with enough likes, and the price."""

    answer: Answer
    num_replies: int
    num_sampled: int
    low: float
    value: float
    high: float
    usd: float

    def lines(self, least_likes: int) -> list[str]:
        """For people."""
        low, num, high = (rate * self.num_replies for rate in (self.low, self.value, self.high))
        return [
            MEANING[self.answer],
            f"{self.num_replies} replies; of the {self.num_sampled} newest, looked at without the operator, "
            f"{self.value:.0%} [{self.low:.0%}, {self.high:.0%}] have {least_likes} likes or more",
            f"projected: {num:.0f} [{low:.0f}, {high:.0f}] such replies for {self.usd:.2f} USD "
            "(a guess: the newest are not all)",
        ]


def judged(
    plain: Sequence[int], filtered: Sequence[int] | None, *, least_likes: int, num_replies: int, usd_per_post: float
) -> Probe:
    """From the likes of a sample without the operator and of one with it (None: the query was refused)."""
    enough = sum(likes >= least_likes for likes in plain)
    rate = share(enough, len(plain))
    answer = _answer(plain, filtered, least_likes)
    paid = num_replies * (rate.value if answer == "filters" else 1.0) if plain else num_replies
    known = len(plain) > 0
    return Probe(
        answer=answer,
        num_replies=num_replies,
        num_sampled=len(plain),
        low=rate.interval.low if known else 0.0,
        value=rate.value if known else 0.0,
        high=rate.interval.high if known else 1.0,
        usd=paid * usd_per_post,
    )


def _answer(plain: Sequence[int], filtered: Sequence[int] | None, least_likes: int) -> Answer:
    if filtered is None:
        return "refused"
    if any(likes < least_likes for likes in filtered):
        return "ignored"
    if not filtered:
        return "hides" if any(likes >= least_likes for likes in plain) else "unclear"
    return "filters" if any(likes < least_likes for likes in plain) else "unclear"
