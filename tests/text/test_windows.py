"""Rolling windows: every token is predicted once, with enough before it, in windows that a model can take."""

from random import Random

import pytest

from finetune_lab.records import Tokens
from finetune_lab.text.windows import rolling


def document(length: int) -> Tokens:
    """Tokens that are their own places, all targets but the prefix."""
    return Tokens(sample="d", ids=tuple(range(length)), targets=tuple(place > 0 for place in range(length)))


@pytest.mark.parametrize("seed", range(60))
def test_every_target_is_scored_once_and_sees_enough(seed: int) -> None:
    random = Random(seed)
    length, window = random.randint(1, 60), random.randint(1, 20)
    context = random.randint(1, window)
    scored = []
    for number, piece in enumerate(rolling(document(length), window=window, context=context)):
        assert piece.sample == "d"
        assert len(piece.ids) <= window + 1
        assert piece.ids == tuple(range(piece.ids[0], piece.ids[-1] + 1))
        targets = [token for token, target in zip(piece.ids, piece.targets, strict=True) if target]
        assert targets == list(range(targets[0], piece.ids[-1] + 1))  # they end the piece
        seen = targets[0] - piece.ids[0]
        assert seen >= 1 if number == 0 else seen >= context
        scored += targets
    assert scored == list(range(1, length))


def test_what_is_no_target_is_not_scored() -> None:
    row = Tokens(sample="d", ids=tuple(range(9)), targets=(False, False, True, True, False, True, False, False, True))
    pieces = list(rolling(row, window=3, context=2))
    assert [t for p in pieces for t, target in zip(p.ids, p.targets, strict=True) if target] == [2, 3, 5, 8]


def test_a_short_document_is_one_window_and_a_prefix_alone_none() -> None:
    assert list(rolling(document(5), window=10, context=3)) == [document(5)]
    assert list(rolling(document(1), window=10, context=3)) == []
