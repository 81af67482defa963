import sqlite3

import pytest

from finetune_lab.errors import LabError
from finetune_lab.store.store import Store


def fill(outputs):
    outputs.dataset()
    outputs.run()
    outputs.run("bbb222", done=False)
    outputs.member()
    outputs.answers()
    outputs.evaluation()
    outputs.evaluation("base-b")


COUNTS = {"datasets": 1, "runs": 2, "answers": 1, "evaluations": 2, "memberships": 1}


def test_everything_is_found_and_what_is_torn_is_named(outputs, store):
    fill(outputs)
    (outputs.root / "answers" / "q1" / "half").mkdir()
    (outputs.root / "runs" / "foreign").mkdir()
    outputs.run().rename(outputs.root / "runs" / "grit-tiny-aaa111.1")  # put aside by fresh
    outputs.run()
    (outputs.member("zzz")).write_text("{")
    found = store.reindex(outputs.root)
    assert found.counts == COUNTS
    assert len(found.problems) == 3
    assert all(any(name in text for text in found.problems) for name in ("half", "foreign", "zzz.json"))
    assert len(store.runs()) == 2
    assert sorted(path.name for path in outputs.root.glob("lab*")) == ["lab.sqlite", "lab.sqlite-shm", "lab.sqlite-wal"]


def test_rows_without_a_folder_go(outputs, store):
    fill(outputs)
    store.reindex(outputs.root)
    before = {table: rows(store, table) for table in ("run", "score", "column_values", "member", "answer")}
    store.add_metrics("ghost", 1, 1.0, {"train/loss": 1.0})
    store.index_run(outputs.run("ccc"))
    for path in (outputs.root / "runs" / "grit-tiny-ccc").iterdir():
        path.unlink()
    (outputs.root / "runs" / "grit-tiny-ccc").rmdir()
    store.reindex(outputs.root)
    assert {table: rows(store, table) for table in before} == before
    assert store.curve("ghost") == {}


def rows(store, table):
    with sqlite3.connect(store.path) as asked:
        return sorted(asked.execute(f"select * from {table}").fetchall())


def test_others_may_have_the_store_open(outputs, store):
    fill(outputs)
    other = Store(store.path)
    other.add_metrics("live", 1, 1.0, {"train/loss": 1.0})
    store.reindex(outputs.root)
    assert len(other.runs()) == 2
    other.add_metrics("live", 2, 1.0, {"train/loss": 0.5})  # into the file that everyone sees
    assert Store(store.path).curve("live") == {"train/loss": [(2, 0.5)]}
    other.close()


@pytest.mark.parametrize("damage", [b"not a database at all" * 300, "newer"])
def test_a_damaged_store_says_so_and_is_made_again(outputs, store, damage):
    fill(outputs)
    if damage == "newer":
        with sqlite3.connect(store.path) as made:
            made.execute("pragma user_version = 99")
    else:
        store.path.write_bytes(damage)
    with pytest.raises(LabError, match="reindex"):
        store.runs()
    assert store.reindex(outputs.root).counts == COUNTS
    assert len(store.runs()) == 2
    assert store.path.with_name("lab.sqlite.old").exists()
