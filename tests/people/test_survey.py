"""The survey's file: it needs nothing, tells nothing, and no text in it can become anything but text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError
from finetune_lab.people.items import Ballot, Item
from finetune_lab.people.pairs import OPTIONS
from finetune_lab.people.survey import page_of, read_survey, survey_of

HOSTILE = '</script><img src=x onerror="document.title=1">{{script}}<!--\u2028\u202e\x1b[2J'


def ballot(num: int = 3, text: str = "one") -> Ballot:
    items = tuple(Item.of([{"role": "user", "content": f"q{n}"}], [f"{text}{n}", f"two{n}"]) for n in range(num))
    return Ballot(question="Which?", hint="", options=OPTIONS, items=items[:-1], gold=items[-1:])


def content_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="survey">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_key_is_kept_and_other_items_need_another_folder(tmp_path: Path) -> None:
    first = survey_of(tmp_path, ballot())
    assert survey_of(tmp_path, ballot()) == first == read_survey(tmp_path)
    assert (tmp_path / "key.json").stat().st_mode & 0o077 == 0
    with pytest.raises(DataError, match="other items"):
        survey_of(tmp_path, ballot(4))
    assert survey_of(tmp_path / "other", ballot()).id != first.id


def test_what_is_in_the_file_is_named_by_the_key_alone(tmp_path: Path) -> None:
    made = ballot(8)
    survey = survey_of(tmp_path, made)
    page = page_of(survey, made)
    for item in (*made.items, *made.gold):
        assert item.id not in page
        assert not any(answer.id in page for answer in item.answers)
    assert survey.secret not in page
    content = content_of(page)
    kinds = {tuple(sorted(item)) for item in content["items"]}
    assert kinds == {("answers", "id", "prompt")}  # a gold item looks like any other
    names = [survey.item_name(made.by_id[name]) for name in survey.items]
    assert [item["id"] for item in content["items"]] == names
    elsewhere = content_of(page_of(survey_of(tmp_path / "other", made), made))
    assert not {item["id"] for item in elsewhere["items"]} & set(names)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    made = ballot(text=HOSTILE)
    page = page_of(survey_of(tmp_path, made), made)
    assert page.count("</script>") == 2
    assert "<img" not in page
    texts = {answer["text"] for item in content_of(page)["items"] for answer in item["answers"]}
    assert f"{HOSTILE}0" in texts
    assert "\u202e" not in page


def test_the_file_loads_nothing(tmp_path: Path) -> None:
    made = ballot()
    page = page_of(survey_of(tmp_path, made), made)
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|src=|@import|url\(", page)
    assert "{{" not in page


def test_a_broken_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"secret": 1}')
    with pytest.raises(DataError, match="a key has secret, question and items"):
        read_survey(tmp_path)
