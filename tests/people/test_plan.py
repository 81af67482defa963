"""What is said of power before the first question agrees with the textbook."""

from math import isclose
from typing import Any

from scipy.stats import nct, t

from finetune_lab.people.plan import Power

WANTED = Power(power=0.8, difference=0.1, deviation=0.5)


def test_the_rows_needed_have_the_power_that_is_asked_for() -> None:
    lines = WANTED.lines(10, 0.95)
    needed = int(lines[0].partition("votes on ")[2].split()[0])
    critical = t.ppf(0.975, needed - 1)
    power = nct.sf(critical, needed - 1, 0.1 / (0.5 / needed**0.5))
    assert isclose(power, 0.8, abs_tol=0.005)
    assert "there will be 10: too few" in lines[0]
    assert lines[0].replace("10: too few", f"{needed}: enough") == WANTED.lines(needed, 0.95)[0]
    assert len(WANTED.lines(1, 0.95)) == 1  # from one row nothing can be said about what would be found


def test_votes_are_counted_before_they_are_given(plan: Any, pair_items: Any) -> None:
    items = pair_items(3)
    assert plan().line(items, 1, 4) == "3 items of 4 rows, each for one rater: 3 votes; and 1 gold items for each rater"
    assert "100% of them for 2 raters: 6 votes" in plan(overlap=1.0).line(items, 0, 3)
