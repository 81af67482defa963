"""Results that come back: read in all three forms, refused by file and row, and never counted twice."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError
from finetune_lab.people.items import Ballot, Item, draw, in_places
from finetune_lab.people.pairs import OPTIONS
from finetune_lab.people.results import Reader, new_votes
from finetune_lab.people.survey import survey_of

SAID = ("left", "tie", "right", None)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    items = tuple(Item.of([{"role": "user", "content": f"q{n}"}], [f"one{n}", f"two{n}"]) for n in range(4))
    ballot = Ballot(question="Which?", hint="", options=OPTIONS, items=items, gold=())
    return Reader(survey=survey_of(tmp_path / "home", ballot), ballot=ballot)


@pytest.fixture
def told(reader: Reader) -> dict[str, Any]:
    """What the page of the rater zoë saves: three votes, one item left out."""
    survey, by_id, votes = reader.survey, reader.ballot.by_id, []
    for name, said in zip(survey.items, SAID, strict=True):
        named = survey.item_name(by_id[name])
        shown = in_places(tuple(survey.answer_names(by_id[name])), named, "zoë", survey.seed)
        votes.append({"item": named, "shown": list(shown), "said": said, "seconds": 1.5, "time": "2026-01-01T00:00Z"})
    return {"survey": survey.id, "rater": "zoë", "votes": [vote for vote in votes if vote["said"]]}


def code(told: dict[str, Any], letters: str = "acb-") -> str:
    name = urlsafe_b64encode(told["rater"].encode()).decode().rstrip("=")
    return f"{told['survey']}.{name}.{letters}.{draw(told['survey'], told['rater'], letters):08x}"


def written(tmp_path: Path, told: Any, name: str = "results.json") -> Path:
    path = tmp_path / name
    path.write_text(told if isinstance(told, str) else json.dumps(told))
    return path


def as_csv(told: dict[str, Any]) -> str:
    lines = ['"survey","rater","item","shown","said","seconds","time"']
    for vote in told["votes"]:
        row = [told["survey"], told["rater"], vote["item"], " ".join(vote["shown"]), vote["said"], vote["seconds"], "t"]
        lines.append(",".join(f'"{value}"' for value in row))
    return "\n".join(lines) + "\n"


def test_all_forms_say_the_same_and_count_once(reader: Reader, told: dict[str, Any], tmp_path: Path) -> None:
    forms = [
        written(tmp_path, told),
        written(tmp_path, as_csv(told), "results.csv"),
        written(tmp_path, f"\n{code(told)}\n", "codes.txt"),
    ]
    found = [reader.votes(path) for path in forms]
    plain = [[(one.item, one.shown, one.said, one.rater) for one in votes] for votes in found]
    assert plain[0] == plain[1] == plain[2]
    assert [one.said for one in found[0]] == ["left", "tie", "right"]
    by_id = reader.ballot.by_id
    assert all(set(one.shown) == {answer.id for answer in by_id[one.item].answers} for one in found[0])
    everything = [vote for votes in found for vote in votes]
    assert new_votes(everything, []) == found[0]
    assert new_votes(everything, found[1]) == []


def test_a_name_that_a_spreadsheet_would_run_is_the_same_in_both_forms(
    reader: Reader, told: dict[str, Any], tmp_path: Path
) -> None:
    told["rater"] = "=1+1"
    guarded = as_csv(told).replace('"=1+1"', '"\'=1+1"')
    assert {one.rater for one in reader.votes(written(tmp_path, guarded, "r.csv"))} == {"=1+1"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"survey": "another"}, "vote 1: of survey 'another'"),
        ({"rater": ""}, "vote 1: rater should be a name"),
        ({"votes": 3}, "a list of votes"),
        ({"votes": [3]}, "vote 1: should be an object, got int"),
    ],
)
def test_a_wrong_file_is_told(
    reader: Reader, told: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=rf"results\.json.*{message}"):
        reader.votes(written(tmp_path, told | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item": "none"}, "there is no item 'none'"),
        ({"said": "both\x1b"}, "is not among the answers: left, right, tie, bad"),
        ({"shown": ["a", "b"]}, "shown should name the answers"),
        ({"seconds": "soon"}, "seconds should be a number"),
        ({"seconds": -1}, "seconds should be a number from 0"),
    ],
)
def test_a_wrong_row_is_told(
    reader: Reader, told: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    told["votes"][1] |= change
    with pytest.raises(DataError, match=rf"results\.json, vote 2: .*{message}"):
        reader.votes(written(tmp_path, told))


def test_an_item_twice_a_cut_file_and_a_damaged_code(reader: Reader, told: dict[str, Any], tmp_path: Path) -> None:
    twice = {**told, "votes": [*told["votes"], told["votes"][0]]}
    with pytest.raises(DataError, match=r"vote 4: item .* was answered by 'zoë' before, at .*vote 1"):
        reader.votes(written(tmp_path, twice))
    with pytest.raises(DataError, match="not JSON"):
        reader.votes(written(tmp_path, json.dumps(told)[:-9]))
    with pytest.raises(DataError, match=r"line 2: the completion code is damaged or cut"):
        reader.votes(written(tmp_path, code(told) + "\n" + code(told).replace("acb-", "aab-"), "c.txt"))
    with pytest.raises(DataError, match="a code of 3 items; this survey has 4"):
        reader.votes(written(tmp_path, code(told, "acb"), "c.txt"))
    with pytest.raises(DataError, match="four parts"):
        reader.votes(written(tmp_path, "thanks!", "c.txt"))
