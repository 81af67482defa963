"""Columns over rows, with those that nobody voted on left empty."""

from finetune_lab.people.tally import spread


def test_values_go_back_to_their_rows() -> None:
    assert spread([1.0, 0.5], [0, 2], 4) == [1.0, None, 0.5, None]
