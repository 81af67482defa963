"""Bradley–Terry over the contrasts of a group: arms that never met are ranked by whom they both met."""

from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from finetune_lab.comparison.contenders import Contender
from finetune_lab.comparison.printing import sections
from finetune_lab.comparison.report import Report, write
from finetune_lab.comparison.strengths import strengths


def contender(label, *runs, measures=None):
    by_run = {"judge_pairwise": dict.fromkeys(runs, "m")} if measures is None else measures
    return Contender(label=label, base="b", runs=runs, trained=label != "base", config={}, measures=by_run)


class Store:
    """What contrasts found: (run, its reference) -> wins by sample."""

    def __init__(self, found, columns="win"):
        self.found, self.column = found, columns

    def scores(self, subjects):
        return [
            SimpleNamespace(subject=run, measure="m", evaluator="judge_pairwise", reference=reference)
            for run, reference in self.found
            if run in subjects
        ]

    def columns(self, run, measure):
        (wins,) = (wins for (one, _), wins in self.found.items() if one == run)
        return SimpleNamespace(columns={self.column: wins}, clusters=[f"c{n}" for n in range(len(wins))])


def wins(share, num=40):
    return [1.0] * int(share * num) + [0.0] * (num - int(share * num))


BASE = contender("base", "b", measures={"judge_pairwise": {}})


def test_arms_that_met_the_base_alone_are_ranked_through_it():
    arms = [contender("one", "r1"), contender("two", "r2")]
    found = strengths(Store({("r1", "b"): wins(0.75), ("r2", "b"): wins(0.6)}), [BASE, *arms], confidence=0.95)
    assert [one.label for one in found] == ["one", "two", "base"]
    values = {one.label: one.strength for one in found}
    assert values["one"] - values["base"] == pytest.approx(np.log(3), abs=1e-6)
    assert values["two"] - values["base"] == pytest.approx(np.log(1.5), abs=1e-6)
    assert sum(values.values()) == pytest.approx(0, abs=1e-9)
    assert all(one.low < one.strength < one.high for one in found)
    assert {one.label: one.num_pairs for one in found} == {"base": 80, "one": 40, "two": 40}


def test_two_alone_are_no_ranking_and_other_columns_no_wins():
    one = contender("one", "r1")
    assert strengths(Store({("r1", "b"): wins(0.7)}), [BASE, one], confidence=0.95) == []
    both = {("r1", "b"): wins(0.7), ("r2", "b"): wins(0.6)}
    arms = [one, contender("two", "r2")]
    assert strengths(Store(both, "delta"), [BASE, *arms], confidence=0.95) == []


def test_an_arm_that_won_every_pair_has_no_finite_strength():
    arms = [contender("one", "r1"), contender("two", "r2")]
    found = strengths(Store({("r1", "b"): wins(1.0), ("r2", "b"): wins(0.6)}), [BASE, *arms], confidence=0.95)
    assert [one.strength for one in found] == [None] * 3


def test_unscored_pairs_and_an_arm_s_own_seeds_do_not_count():
    arms = [contender("one", "r1", "r3"), contender("two", "r2")]
    half = [1.0, 0.0] * 10
    found = {("r1", "b"): [*half, float("nan"), None], ("r2", "b"): half, ("r3", "r1"): wins(1.0)}
    counted = strengths(Store(found), [BASE, *arms], confidence=0.95)
    assert {one.label: one.num_pairs for one in counted} == {"base": 40, "one": 20, "two": 20}


def test_they_stand_in_the_printed_report_and_in_its_files(tmp_path):
    arms = [contender("one", "r1"), contender("two", "r2")]
    found = strengths(Store({("r1", "b"): wins(0.75), ("r2", "b"): wins(0.6)}), [BASE, *arms], confidence=0.95)
    report = Report(group="study", strengths=tuple(found))
    console = Console(width=80, file=StringIO(), highlight=False)
    for section in sections(report):
        console.print(section, markup=False)
    lines = console.file.getvalue().splitlines()
    assert "Bradley–Terry strengths" in lines[0]
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line.strip() and line.split()[0] in ("one", "two", "base")] == [
        "one",
        "two",
        "base",
    ]
    write(report, "{}", tmp_path)
    assert (tmp_path / "strengths.csv").read_text().splitlines()[1].startswith("judge_pairwise,one,")
