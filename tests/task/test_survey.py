"""task=survey: the file it writes works by keyboard and on a phone's screen, and says the same as home would."""

from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError
from finetune_lab.people.results import Reader
from finetune_lab.people.survey import read_survey
from finetune_lab.task.asking import open_study


@pytest.fixture
def survey(two_arms: Any, caplog: Any) -> tuple[Any, Path]:
    caplog.set_level("INFO")
    lab = two_arms("task=survey", "eval.human_pairwise.gold.share=0.3")
    return lab, next(lab.outputs.glob("surveys/*/*/survey.html"))


def test_a_survey_says_what_it_will_show_and_is_found_again(survey: Any, two_arms: Any, caplog: Any) -> None:
    _, page = survey
    first = page.read_text()
    two_arms("task=survey", "eval.human_pairwise.gold.share=0.3")
    assert "8 items of 8 rows and 2 gold items for each respondent: 160 votes" in caplog.text
    assert page.read_text() == first
    with pytest.raises(DataError, match="other items"):
        two_arms("task=survey", "eval.human_pairwise.gold.share=0", f"task.folder={page.parent}")


def test_in_a_browser(survey: Any, browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    lab, page = survey
    browser.get(page.as_uri())
    browser.find_element(By.ID, "rater").send_keys("Zoë  =1", Keys.ENTER)
    for place in range(10):
        main = browser.find_element(By.ID, "page").text
        assert "<b>" in main or "the right answer" in main  # text is written out, not run
        assert f"{place + 1} of 10" in main
        browser.find_element(By.TAG_NAME, "body").send_keys("1234"[place % 4])
    browser.find_element(By.ID, "review").click()
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_RIGHT)
    saved = browser.find_element(By.ID, "results").get_attribute("value")
    code = browser.find_element(By.ID, "code").text
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    study = open_study(lab, "human_pairwise")
    reader = Reader(survey=read_survey(page.parent), ballot=study.ballot)
    (tmp_path / "r.json").write_text(saved)
    (tmp_path / "codes.txt").write_text(code)
    votes = {name: reader.votes(tmp_path / name) for name in ("r.json", "codes.txt")}
    said = [{one.item: (one.said, one.shown, one.rater) for one in found} for found in votes.values()]
    assert said[0] == said[1]  # home draws the sides that the page drew
    assert len(said[0]) == 10
    assert {one.rater for one in votes["r.json"]} == {"Zoë =1"}
    assert [one.said for one in votes["r.json"]] == ["left", "right", "tie", "bad"] * 2 + ["left", "right"]
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": True}
    )
    browser.find_element(By.ID, "review").click()
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= 360
