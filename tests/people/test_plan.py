"""What is said of power before the first question agrees with the textbook."""

from math import isclose
from typing import Any

from scipy.stats import nct, t

from finetune_lab.people.plan import outlook_lines


def test_the_rows_needed_have_the_power_that_is_asked_for(plan: Any, pair_items: Any) -> None:
    made = plan()
    lines = outlook_lines(made, pair_items(10), 1, 10, 0.95)
    assert lines[0] == "10 items of 10 rows, each for one rater: 10 votes; and 1 gold items for each rater"
    needed = int(lines[1].partition("takes ")[2].split()[0])
    critical = t.ppf(0.975, needed - 1)
    power = nct.sf(critical, needed - 1, 0.1 / (0.5 / needed**0.5))
    assert isclose(power, 0.8, abs_tol=0.005)
    assert "there are 10: too few" in lines[1]
    assert "enough" in outlook_lines(made, pair_items(10), 1, needed, 0.95)[1]


def test_one_row_and_shared_items(plan: Any, pair_items: Any) -> None:
    lines = outlook_lines(plan(overlap=1.0), pair_items(1), 0, 1, 0.95)
    assert "100% of them for 2 raters: 2 votes" in lines[0]
    assert len(lines) == 2  # from one row nothing can be said about what would be found
