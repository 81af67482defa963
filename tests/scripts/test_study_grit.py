"""The study of GRIT in the small: rates chosen on validation, fresh seeds on test, kept folders, the page."""

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from scripts import study_arms, study_choice, study_grit, study_page, study_runs
from scripts.study_choice import chosen, plateau, wanted
from scripts.study_results import forgetting, gaps, pick, reached, read_notes


def climb(loss: Any, start: float = 1e-2) -> dict[int, float | None]:
    """The rates that an arm tries when its loss is a function of the rung."""
    losses: dict[int, float | None] = {}
    while rungs := wanted(start, losses):
        losses |= {rung: loss(rung) for rung in rungs}
    return losses


def test_the_ladder_is_extended_until_the_best_is_inside() -> None:
    tried = climb(lambda rung: 1 + (rung - 3) ** 2)
    assert study_choice.best(tried) == 3
    assert sorted(tried) == [-1, 0, 1, 2, 3, 4]
    assert sorted(climb(lambda rung: 1 + (rung + 0.2) ** 2)) == [-2, -1, 0, 1], "a fourth on the better side"
    assert len(climb(lambda rung: -rung)) == study_choice.MOST, "it ends where nothing ever gets worse"
    assert study_choice.best(climb(lambda rung: None if rung >= 0 else 2.0 + abs(rung + 2))) == -2


def test_the_plateau_lies_within_one_percent() -> None:
    width, seen = plateau({-2: 1.03, -1: 1.0, 0: 1.0, 1: 1.02})
    assert seen
    assert width == pytest.approx((1 / 3 + 1 + 1 / 2) * 0.30103, rel=1e-3)
    assert plateau({0: 1.0, 1: 1.005, 2: 1.5})[1] is False, "the lower end was not seen"
    assert plateau({-1: None, 0: 1.0, 1: None}) == (0.0, True)


def test_the_step_that_reaches_a_loss_is_read_between_points() -> None:
    assert reached([(10, 3.0), (20, 2.0)], 2.5) == pytest.approx(15)
    assert reached([(10, 3.0), (20, 2.0)], 1.0) is None
    assert reached([(10, 3.0)], 4.0) == 10


def test_forgetting_is_told_where_the_task_loss_is_the_same() -> None:
    """An arm that is twice as fast and forgets at the same pace has forgotten half as much at the reference's end."""

    def kept(seed: int, pace: float) -> dict[str, Any]:
        steps = [10, 20, 30, 40]
        learned = [(step, 4.0 - 0.05 * pace * step + 0.01 * seed) for step in steps]
        return {"run": {"seed": seed}, "curve": learned, "base_curve": [(s, 2.0 + 0.01 * pace * s) for s in steps]}

    reference = [kept(seed, 1.0) for seed in range(3)]
    same = forgetting([kept(seed, 2.0) for seed in range(3)], reference)
    assert same is not None
    assert same[0] == pytest.approx(0.0, abs=1e-9)
    assert forgetting([kept(seed, 0.5) for seed in range(3)], reference) is None, "it never gets there"


def note(arm: str, seed: int, shift: float) -> dict[str, Any]:
    rows = [2.0 + 0.1 * row + shift + 0.003 * ((seed * 7 + row * 3) % 5) for row in range(40)]
    scored = {"samples": [f"row{row}" for row in range(40)], "nats": [5 * value for value in rows], "tokens": [5] * 40}
    return {"run": {"arm": arm, "seed": seed}, "scored": {"test": scored}, "loss": {"test": sum(rows) / 40}}


def test_a_difference_counts_only_where_both_intervals_leave_out_zero() -> None:
    arms = {arm: [note(arm, seed, shift) for seed in range(4)] for arm, shift in (("a", 0), ("b", -0.2), ("c", 1e-5))}
    found = gaps(arms, "a")
    assert set(found) == {"b", "c"}
    assert found["b"].mean == pytest.approx(-0.2)
    assert found["b"].word == "lower"
    assert replace(found["b"], high_with_items=0.01).word == "parity"
    assert replace(found["b"], high_with_items=None).word == "parity"


@pytest.mark.slow
def test_two_arms_of_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ("data=pocketguide", "data.max_rows=60", *study_arms.TASKS["pocketguide"].data[2:])
    sizes = {"batch_size": 2, "num_train": 6, "num_validation": 2, "num_test": 3}
    small = replace(study_arms.TASKS["pocketguide"], data=data, **sizes)
    monkeypatch.setitem(study_arms.TASKS, "pocketguide", small)
    monkeypatch.setattr(study_choice, "FIRST", (0,))
    monkeypatch.setattr(study_choice, "MOST", 1)
    monkeypatch.setattr(study_runs, "NUM_CURVE_POINTS", 1)
    monkeypatch.setattr(study_runs, "NUM_BASE_DOCUMENTS", 2)
    asked = Namespace(stages=["search", "final"], tasks=["pocketguide"], arms=["adamw", "both16"], steps=2, seeds=2)
    asked.outputs, asked.page = tmp_path / "study", tmp_path / "docs" / "page.md"
    while runs := study_grit.due(read_notes(asked.outputs), asked):
        study_runs.do(runs[0], asked.outputs)
    notes = read_notes(asked.outputs)
    searched, finals = pick(notes, stage="search"), pick(notes, stage="final")
    assert len(searched) == 2
    assert all("test" not in kept["scored"] for kept in searched), "no choice sees the test rows"
    for arm in asked.arms:
        assert {kept["run"]["rate"] for kept in pick(finals, arm=arm)} == {chosen(pick(searched, arm=arm))}
        assert {kept["run"]["seed"] for kept in pick(finals, arm=arm)} == {
            study_arms.FIRST_SEED,
            study_arms.FIRST_SEED + 1,
        }
    again = study_runs.do(study_runs.Run(**finals[0]["run"]), asked.outputs)
    assert again == finals[0], "a finished training is found, not made"
    study_page.write_page(asked)
    text = asked.page.read_text()
    assert "| AdamW |" in text
    assert "parity" in text
    assert (asked.page.parent / "figures" / "grit_rates_pocketguide.svg").exists()
