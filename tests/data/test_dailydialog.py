"""Dialogues line by line, tidied, whole or in pairs; the published file loads whole."""

from pathlib import Path
from typing import Any

import pytest

from finetune_lab.data.dailydialog import tidied
from finetune_lab.errors import DataError
from finetune_lab.preparing.pipeline import read_split

ALL = "data.split={train: 1, validation: 0, test: 0, seed: 0}"
TEXT = "How are you ? __eou__ I \u2019 m fine , thanks . __eou__ Good . __eou__\n"
TEXT += "Bye . __eou__ Bye ! __eou__\nHm . __eou__\n"


@pytest.fixture
def prepared(lab: Any, tmp_path: Path) -> Any:
    def run(text: str, *options: str) -> Any:
        path = tmp_path / "dialogues.txt"
        path.write_text(text, encoding="utf-8")
        note = lab("data=dailydialog", f"data.path={path}", ALL, *options).data.prepare(tmp_path)
        return note, [[turn["content"] for turn in row.messages] for row in read_split(tmp_path, "train")]

    return run


def test_dialogues_whole_and_in_pairs(prepared: Any) -> None:
    note, rows = prepared(TEXT)
    assert rows == [["How are you?", "I\u2019m fine, thanks."], ["Bye.", "Bye!"]]
    assert (note["rows_read"], note["dropped"]) == (3, {"no answer": 1})
    note, rows = prepared(TEXT, "data.exchange=pairs", "data.tidy=false")
    assert rows[1] == ["I \u2019 m fine , thanks .", "Good ."]
    assert note["rows_read"] == 4 == len(rows) + 1


def test_tidying_closes_gaps_and_nothing_else() -> None:
    assert tidied(" It ' s 5 : 30 , isn't it ? ( yes ) ") == "It's 5: 30, isn't it? ( yes)"
    assert tidied("well\u2026 'quoted' words") == "well\u2026 'quoted' words"


def test_a_cut_file_is_told(prepared: Any) -> None:
    with pytest.raises(DataError, match=r"dialogues\.txt, line 2: a dialogue should end in __eou__"):
        prepared(TEXT[: TEXT.index("Bye !") + 3])


@pytest.mark.realdata
def test_the_published_file_loads_whole(lab: Any, realdata: Path, tmp_path: Path) -> None:
    path = realdata / "dialogues" / "dailydialog_dialogues_test.txt"
    note = lab("data=dailydialog", f"data.path={path}").data.prepare(tmp_path)
    assert note["rows_read"] == 2624 == sum(s["rows"] for s in note["splits"].values()) + sum(note["dropped"].values())
