"""Field tests in the store: read from their folders, replaced when a folder changes, named when it is torn."""

import json
import sqlite3

import pytest

from finetune_lab.errors import DataError

RATIO = {"value": 1.2, "low": 1.1, "high": 1.3, "p_value": 0.01}


def folder(root, verdict="more", weeks=3.0):
    place = root / "field" / "season" / "march-abc"
    place.mkdir(parents=True, exist_ok=True)
    one = {"outcome": "likes", "reference_mean": 1.0, "candidate_mean": 1.2, "p_adjusted": 0.02, "verdict": verdict}
    one |= {"adjusted": RATIO, "naive": RATIO | {"value": 2.0}, "num_rows": 10}
    one |= {"plan": {"weeks": weeks, "detectable_ratio": 1.1}}
    pair = {"reference": "base", "candidate": "tuned", "balance": {"looks_random": False}, "caveats": ["a"]}
    (place / "results.json").write_text(json.dumps({"comparisons": [pair | {"found": [one]}]}))
    note = {"kind": "field test", "key": "abc", "log": "march.csv", "confidence": 0.95}
    (place / "done.json").write_text(json.dumps(note))
    return place


def rows(store):
    with sqlite3.connect(store.path) as asked:
        asked.row_factory = sqlite3.Row
        return [dict(row) for row in asked.execute("select * from field_results")]


def test_rows_are_those_of_the_folder_and_replaced_with_it(store):
    assert store.index_field_test(folder(store.outputs))
    (row,) = rows(store)
    assert row["field_test"] == "season-abc"
    assert (row["ratio"], row["naive_ratio"], row["looks_random"], row["weeks_needed"]) == (1.2, 2.0, 0, 3.0)
    assert row["folder"] == "field/season/march-abc"
    assert store.index_field_test(folder(store.outputs, verdict="unclear", weeks=None))
    assert [(row["verdict"], row["weeks_needed"]) for row in rows(store)] == [("unclear", None)]


def test_a_torn_folder_is_told(store):
    place = folder(store.outputs)
    (place / "results.json").write_text("{")
    with pytest.raises(DataError, match=r"march-abc"):
        store.index_field_test(place)
    assert len(store.reindex(store.outputs).problems) == 1
