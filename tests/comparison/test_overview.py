"""One table of all arms beside their base."""

from io import StringIO

import numpy as np
from rich.console import Console

from finetune_lab.comparison.overview import overviews
from finetune_lab.maths.compare import Arm, Difference, Question, SampleColumns, compare_many
from finetune_lab.records import Statistic

MEAN = Statistic(kind="mean", of="x")


def arm(label: str, mean: float, *, trained: bool = True, seed: int = 0) -> Arm:
    values = np.random.default_rng(seed).normal(mean, 1, 80)
    names = [f"s{number}" for number in range(80)]
    return Arm(label=label, seeds=(SampleColumns.of(names, names, {"x": values}),), trained=trained)


def compared(*pairs: tuple[Arm, Arm]) -> list[Difference]:
    asked = [
        Question(name="level", statistic=MEAN, higher_is_better=True, reference=one, candidate=other)
        for one, other in pairs
    ]
    return compare_many(asked, resamples=199)


def shown(found: list[Difference]) -> str:
    out = StringIO()
    console = Console(file=out, width=80)
    for table in overviews(found):
        console.print(table)
    return out.getvalue()


def test_arms_stand_beside_their_base_with_a_mark() -> None:
    base = arm("base", 0.0, trained=False)
    better, worse, same = (arm(name, mean, seed=0) for name, mean in (("grit", 2.0), ("lora", -2.0), ("qlora", 0.0)))
    text = shown(compared((base, better), (base, worse), (base, same), (better, worse)))
    line = next(line for line in text.splitlines() if "level ↑" in line)
    assert [line.count(mark) for mark in "▲▼="] == [1, 1, 1]
    assert text.count("all arms") == 1
    assert max(map(len, text.splitlines())) <= 80


def test_one_arm_needs_no_table_of_all() -> None:
    assert shown(compared((arm("base", 0.0, trained=False), arm("grit", 2.0)))) == ""


def test_labels_are_shown_as_they_are() -> None:
    base = arm("base", 0.0, trained=False)
    text = shown(compared((base, arm("[red]a[/red]", 1.0)), (base, arm("b\x1b[31m", 1.0))))
    assert "[red]a[/red]" in text.replace("\n", "")
    assert "\x1b" not in text
