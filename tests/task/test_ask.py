"""task=ab and task=rate at the terminal: whole sittings, from the first answer to the table of a comparison."""

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.people.votes import read_votes
from finetune_lab.store.folders import read_evaluation


@pytest.fixture
def sit(two_arms: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One sitting of a rater who types lines."""

    def run(typed: str, *options: str, task: str = "ab", rater: str = "ada") -> Any:
        monkeypatch.setattr(sys, "stdin", StringIO(typed))
        return two_arms(f"task={task}", f"task.rater={rater}", "task.plan.overlap=1", *options)

    return run


def evaluations(outputs: Path, name: str = "human_pairwise") -> list[Any]:
    """Those in use: neither put aside nor locks."""
    folders = outputs.glob(f"evals/{name}-*/*")
    return [read_evaluation(folder) for folder in folders if "." not in folder.name]


def test_two_raters_and_an_evaluation_by_all_votes(sit: Any, caplog: Any) -> None:
    caplog.set_level("INFO")
    lab = sit("l\n" * 20)
    outputs = lab.outputs
    assert "8 items of 8 rows, 100% of them for 2 raters: 16 votes; and 1 gold items" in caplog.text
    assert "there will be 8: too few" in caplog.text
    (first,) = evaluations(outputs)
    assert first.counts["raters"]["ada"]["votes"] == 8
    assert first.counts["left_chosen"]["value"] == 1.0
    assert "one rater: the interval covers the items alone" in caplog.text
    sit("r\n" * 20, rater="bob")
    found = {one.counts["votes"]: one for one in evaluations(outputs)}
    assert set(found) == {16}
    assert found[16].counts["agreement"]["shared_items"] == 8
    assert any(folder.suffix == ".1" for folder in outputs.glob("evals/human_pairwise-*/*"))  # put aside, not lost


def test_a_sitting_goes_on_and_makes_no_new_evaluation_without_votes(sit: Any, capsys: Any) -> None:
    lab = sit("t\nb\ns\nu\nl\nq\n")
    path = next(lab.outputs.glob("votes/*/votes.jsonl"))
    assert [one.said for one in read_votes(path)] == ["tie", "bad", "left"]
    before = sorted(lab.outputs.glob("evals/human_pairwise-*/*"))
    capsys.readouterr()
    sit("q\n")
    assert sorted(lab.outputs.glob("evals/human_pairwise-*/*")) == before
    sit("what\n1\n")
    assert "not one of these: what" in capsys.readouterr().out
    assert len({one.item for one in read_votes(path)}) == 3


def test_the_screen_shows_no_name_and_no_control_characters(sit: Any, capsys: Any) -> None:
    sit("1\nq\n")
    shown = capsys.readouterr().out
    assert "<b>" in shown
    assert "\x1b[2J" not in shown
    assert "\\x1b[2J" in shown
    before_votes_are_told = shown.split("making")[0]
    assert "reference" not in before_votes_are_told
    assert "candidate" not in before_votes_are_told


def test_compare_shows_the_interval_with_raters_and_items(sit: Any, two_arms: Any) -> None:
    lab = sit("l\n" * 20)
    sit("r\nt\n" * 10, rater="bob")
    two_arms("task=compare", "task.resamples=99", "task.track=false")
    told = json.loads(next((lab.outputs / "reports").rglob("comparison.json")).read_text())
    (row,) = [one for one in told["differences"] if one["name"] == "win_rate"]
    (found,) = evaluations(lab.outputs)
    told = found.counts["win_rate"]  # what a person reads stays between 0 and 1
    assert max(row["low"] + 0.5, 0) == pytest.approx(told["low"])
    assert min(row["high"] + 0.5, 1) == pytest.approx(told["high"])


def test_ratings_of_both_are_mixed_and_paired_by_compare(sit: Any, two_arms: Any, caplog: Any) -> None:
    caplog.set_level("INFO")
    lab = sit("11\n" + "7\n" * 40, task="rate")
    found = evaluations(lab.outputs, "rating")
    assert [one.scores[0].value for one in found] == [7.0, 7.0]
    assert "16 items of 8 rows" in caplog.text
    two_arms("task=compare", "task.resamples=99", "task.track=false")
    told = json.loads(next((lab.outputs / "reports").rglob("comparison.json")).read_text())
    (row,) = [one for one in told["differences"] if one["name"] == "mean_rating"]
    assert (row["reference"], row["candidate"], row["verdict"]) == (7.0, 7.0, "same")


def test_mistakes(sit: Any, two_arms: Any, execute: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"task\.evaluator: human_pairwise is no evaluator of this line"):
        sit("", "eval=[]")
    with pytest.raises(WorldError, match="nobody has voted on the answers of base"):
        two_arms("task=evaluate", "eval=[human_pairwise]", "task.which=tuned")
    with pytest.raises(WorldError, match=r"nothing is trained at .*task=run first"):
        execute("method=base", "task=ab", "task.rater=ada", outputs=tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"task\.rater: needs a value"):
        two_arms("task=ab")
