"""task=survey_results: a planted preference is found again, bad files are told, careless raters are seen."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from finetune_lab.errors import ConfigError, DataError
from finetune_lab.people.survey import read_survey
from finetune_lab.people.votes import read_votes
from finetune_lab.store.folders import read_evaluation
from finetune_lab.task.asking import open_study

GOLD = "eval.human_pairwise.gold.share=0.3"
RULE = ("eval.human_pairwise.gold.needed=0.6", "eval.human_pairwise.gold.after=2")


@pytest.fixture
def filled(two_arms: Any, tmp_path: Path) -> Any:
    """Respondents who prefer the tuned arm with a probability, and answer gold items rightly or at random."""

    def make(num: int, preference: float, careless: int = 0, rules: tuple[str, ...] = ()) -> Path:
        lab = two_arms("task=survey", GOLD, *rules)
        study = open_study(lab, "human_pairwise")
        survey = read_survey(next(lab.outputs.glob("surveys/*/*")))
        tuned = {answer.text for answer in study.answers[-1]}
        golden = {item.id for item in study.ballot.gold}
        folder = tmp_path / "came back"
        folder.mkdir(exist_ok=True)
        for number in range(num):
            drawn, votes = Random(number), []
            for item in study.ballot.by_id.values():
                by_name = survey.answer_names(item)
                shown = drawn.sample(sorted(by_name), 2)
                texts = {answer.id: answer.text for answer in item.answers}
                good = [texts[by_name[name]] for name in shown]
                if item.id in golden:
                    right = "left" if good[0].startswith("the right answer number") else "right"
                    said = right if number >= careless else "bad"
                else:
                    wins = drawn.random() < preference
                    said = "left" if (good[0] in tuned) == wins else "right"
                votes.append({"item": survey.item_name(item), "shown": shown, "said": said, "seconds": 2, "time": "t"})
            told = {"survey": survey.id, "rater": f"person {number}", "votes": votes}
            (folder / f"{number}.json").write_text(json.dumps(told))
        return folder

    return make


def evaluation(outputs: Path) -> Any:
    (found,) = [one for one in outputs.glob("evals/human_pairwise-*/*") if "." not in one.name]
    return read_evaluation(found)


def test_a_planted_preference_is_found_within_its_interval(filled: Any, two_arms: Any) -> None:
    folder = filled(25, 0.7)
    lab = two_arms("task=survey_results", f"task.results=[{folder}]", GOLD)
    counts = evaluation(lab.outputs).counts
    assert counts["votes"] == 200
    assert counts["win_rate"]["low"] < 0.7 < counts["win_rate"]["high"]
    assert counts["win_rate"]["low"] > 0.5
    assert {told["right"] for told in counts["gold"].values()} == {2}
    path = next(lab.outputs.glob("votes/*/votes.jsonl"))
    before = path.read_bytes()
    two_arms("task=survey_results", f"task.results=[{folder},{folder}/1.json]", GOLD)
    assert path.read_bytes() == before  # nothing counts twice


def test_bad_files_are_told_and_the_others_count(filled: Any, two_arms: Any, tmp_path: Path) -> None:
    folder = filled(3, 0.7)
    told = json.loads((folder / "1.json").read_text())
    told["votes"][2]["said"] = "\x1b[2Jboth"
    (folder / "1.json").write_text(json.dumps(told))
    with pytest.raises(
        DataError, match=r"1 of 3 files were left out: .*1\.json, vote 3: .*not among the answers"
    ) as found:
        two_arms("task=survey_results", f"task.results=[{folder}]", GOLD)
    assert "\x1b" not in str(found.value)
    path = next((tmp_path / "outputs").glob("votes/*/votes.jsonl"))
    assert {one.rater for one in read_votes(path)} == {"person 0", "person 2"}


def test_careless_raters_are_reported_and_left_out_only_by_the_rule(filled: Any, two_arms: Any, caplog: Any) -> None:
    caplog.set_level("INFO")
    folder = filled(4, 0.7, careless=1)
    lab = two_arms("task=survey_results", f"task.results=[{folder}]", GOLD)
    assert "person 0 0 of 2 right" in caplog.text
    assert evaluation(lab.outputs).counts["left_out"] == []
    filled(4, 0.7, careless=1, rules=RULE)
    two_arms("task=ab", "task.rater=nobody", GOLD, *RULE)  # the votes are kept, whatever the rule
    assert "person 0 0 of 2 right, left out" in caplog.text


def test_mistakes(filled: Any, two_arms: Any, tmp_path: Path) -> None:
    filled(1, 0.7)
    with pytest.raises(ConfigError, match=r"task\.results: there is no .*nothing"):
        two_arms("task=survey_results", f"task.results=[{tmp_path / 'nothing'}]", GOLD)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no files"):
        two_arms("task=survey_results", f"task.results=[{tmp_path / 'empty'}]", GOLD)
    keys = next((tmp_path / "outputs").glob("surveys/*/*"))
    with pytest.raises(DataError, match="items are not asked by this line"):
        two_arms(
            "task=survey_results", f"task.results=[{keys}/key.json]", f"task.folder={keys}",
            "eval.human_pairwise.rows.max_rows=4", GOLD,
        )  # fmt: skip
