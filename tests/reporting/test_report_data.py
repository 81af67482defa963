"""Every number of a report is found again in the store, by the question that the report names."""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.reporting.forms import formed

SECTIONS = (
    *("summary", "uses", "results", "training", "checkpoints", "layers", "spectra", "schema", "judges"),
    *("cost", "serving", "samples", "limits", "origins", "repeat"),
)


def test_every_number_is_found_again(study: Path, page_of: Any) -> None:
    connection = sqlite3.connect(f"{(study / 'lab.sqlite').as_uri()}?mode=ro", uri=True)
    found = {}
    for name, (sql, parameters) in page_of.questions.items():
        cursor = connection.execute(sql, parameters)
        found[name] = ([column[0] for column in cursor.description], [list(row) for row in cursor])
    connection.close()
    drawn = json.loads(page_of.scripts["report-data"])["queries"] | json.loads(page_of.scripts["report-samples"])
    assert drawn
    for name, answer in drawn.items():
        assert (answer["columns"], answer["rows"]) == found[name], name
    assert len(page_of.figures) > 40
    for figure in page_of.figures:
        columns, rows = found[figure["data-query"]]
        value = rows[int(figure["data-row"])][columns.index(figure["data-column"])]
        assert json.loads(figure["data-value"]) == value, figure
    assert sum(len(rows) * len(columns) for columns, rows in found.values()) > 2000


def test_no_sentence_holds_a_number_of_its_own(page_of: Any) -> None:
    assert len(page_of.sentences) > 20
    said = [sentence for sentence in page_of.sentences if re.search(r"\d", sentence)]
    assert said == []


def test_figures_are_shown_as_their_values_are(page_of: Any) -> None:
    forms = ("number", "signed", "count", "seconds", "bytes", "p", "flag", "text", "time")
    for figure in page_of.figures:
        value = json.loads(figure["data-value"])
        assert figure["text"] in {
            formed(value, form) for form in forms if not isinstance(value, str) or form in ("text", "time")
        }


def test_a_whole_group_has_every_section(study: Path) -> None:
    text = (study / "reports" / "study" / "report.html").read_text()
    assert [name for name in SECTIONS if f'<section id="{name}"' not in text] == []
    assert "Not measured" not in text


def test_only_what_can_be_told_from_chance_is_worked_out(study: Path, page_of: Any) -> None:
    data = json.loads(page_of.scripts["report-data"])["queries"]
    rows = [
        dict(zip(one["columns"], row, strict=True))
        for one in data.values()
        if "gain_over_base" in one["columns"]
        for row in one["rows"]
    ]
    assert {row["arm"] for row in rows} == {"lora", "qlora", "grit"}
    for row in rows:
        assert row["training_money"] == pytest.approx(row["training_seconds"] / 3600 * 0.4)
        paid = row["training_money"] / row["points"] if row["verdict"] == "better" else None
        assert row["money_per_point"] == (None if paid is None else pytest.approx(paid))
        assert row["value_gained"] is None  # its price is not known


def test_copies_carry_the_load(study: Path, page_of: Any) -> None:
    data = json.loads(page_of.scripts["report-data"])["queries"]
    found = next(one for one in data.values() if "copies" in one["columns"])
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    for row in rows:
        assert (row["copies"] - 1) * row["requests_per_second"] < row["wanted_requests_per_second"]
        assert row["copies"] * row["requests_per_second"] >= row["wanted_requests_per_second"]
        assert row["money_per_hour"] == pytest.approx(row["copies"] * 0.4)
    advised = [row for row in rows if row["advised"]]
    assert [row["load"] for row in advised] == ["one person", "a team", "a service"]
    for row in advised:
        rivals = [one for one in rows if one["load"] == row["load"] and one["in_time"]]
        assert row["in_time"]
        assert row["copies"] == min(one["copies"] for one in rivals)
