"""Every number of a report is found again in the store, by the question that the report names."""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

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
