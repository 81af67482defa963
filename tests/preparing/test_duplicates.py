"""From families to verdicts: who goes names who stays, and a family that is kept names its first row."""

from collections.abc import Callable

import numpy as np
import pytest

from finetune_lab.maths.families import Families
from finetune_lab.preparing.duplicates import Action, verdicts
from finetune_lab.records import Candidate, Sample

ROWS = [Candidate(sample=Sample.of(text=str(n)), fields={}, place=f"line {n}") for n in range(4)]


@pytest.fixture
def chain() -> Callable[[Action], list[tuple[str | None, str, str | None]]]:
    """Rows 0 - 1 - 2 in a chain whose ends are unlike, and row 3 alone."""
    families = Families(4)
    families.join(np.array([0, 1]), np.array([1, 2]))

    def judge(action: Action) -> list[tuple[str | None, str, str | None]]:
        found = verdicts(
            ROWS,
            families,
            lambda ones, others: np.where(others - ones == 1, 0.9, 0.1),
            at_least=0.8,
            action=action,
            reason="alike",
            measure="cosine",
        )
        return [(one.reason, one.detail, one.like) for one in found]

    return judge


def test_only_what_is_like_a_row_that_stays_goes(chain: Callable[[Action], object]) -> None:
    assert chain("drop") == [(None, "", None), ("alike", "cosine 0.900 with line 0", None), *[(None, "", None)] * 2]


def test_a_family_shares_a_split(chain: Callable[[Action], object]) -> None:
    first = ROWS[0].sample.id
    assert chain("keep_together") == [(None, "", None), (None, "", first), (None, "", first), (None, "", None)]
