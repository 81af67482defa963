"""From timed steps to the time of all, and from shapes to operations."""

import pytest

from finetune_lab.planning.lengths import Passes
from finetune_lab.planning.timing import Pace, pace


def test_a_line_through_steps_that_lie_on_one():
    found = pace([100, 200, 400], [1.5, 2.5, 4.5])
    assert (found.per_update, found.per_cell) == pytest.approx((0.5, 0.01))


def test_steps_of_one_size_tell_no_more_than_their_mean():
    assert pace([100, 101, 100], [1.0, 3.0, 2.0]) == Pace(per_update=0.0, per_cell=pytest.approx(6 / 301))


@pytest.mark.parametrize("seconds", [[1.0, 3.0, 9.0], [9.0, 3.0, 1.0]])
def test_noise_never_makes_time_negative(seconds):
    found = pace([100, 200, 400], seconds)
    assert found.per_update >= 0
    assert found.per_cell >= 0
    ran = [Passes(rows=(0,), cells=(cells,)) for cells in (100, 200, 400)]
    assert found.seconds(ran) == pytest.approx(13, rel=1e-9)
