"""What the filters of duplicates share: from families of like rows to a verdict on each row."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from finetune_lab.maths.families import Families, Kept, Similarity, keep_first
from finetune_lab.records import Candidate, Verdict

Action = Literal["drop", "keep_together"]
_STAYS = Verdict()  # one for all: of a million rows most stay


def verdicts(
    rows: Sequence[Candidate],
    families: Families,
    similarity: Similarity,
    *,
    at_least: float,
    action: Action,
    reason: str,
    measure: str,
) -> list[Verdict]:
    """drop: a row goes if an earlier one that stays is so similar. keep_together: a family shares a split."""
    firsts = families.firsts()
    if action == "keep_together":
        kept = Kept(keeper=firsts, similarity=np.ones(len(rows)))
        return [_verdict(number, rows, kept, None, measure) for number in range(len(rows))]
    kept = keep_first(firsts, similarity, at_least=at_least)
    return [_verdict(number, rows, kept, reason, measure) for number in range(len(rows))]


def _verdict(number: int, rows: Sequence[Candidate], kept: Kept, reason: str | None, measure: str) -> Verdict:
    keeper = int(kept.keeper[number])
    if keeper == number:
        return _STAYS
    like = rows[keeper]
    if reason is None:
        return Verdict(like=like.sample.id)
    return Verdict(reason=reason, detail=f"{measure} {kept.similarity[number]:.3f} with {like.place}")
