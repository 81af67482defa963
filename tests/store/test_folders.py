import json
import math
import shutil

import pytest
from filelock import FileLock

from finetune_lab.errors import DataError, LabError
from finetune_lab.store.folders import (
    append_json_line,
    disk_bytes,
    holder,
    owned,
    read_evaluation,
    read_json_lines,
    remove,
)


def test_lines_come_back(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    rows = [{"a": 1.5, "text": "süß\n\u2028"}, {"a": None, "text": "\ud800"}]
    for row in rows:
        append_json_line(path, row)
    assert read_json_lines(path) == rows
    assert read_json_lines(tmp_path / "missing.jsonl") == []


def test_a_number_that_is_not_finite_becomes_null(tmp_path):
    append_json_line(tmp_path / "rows", {"loss": math.nan, "deep": [{"norm": math.inf}], "step": 1})
    assert read_json_lines(tmp_path / "rows") == [{"loss": None, "deep": [{"norm": None}], "step": 1}]


@pytest.mark.parametrize("cut", [1, 5, 8])
def test_a_torn_last_line_is_dropped_and_written_over(tmp_path, cut):
    path = tmp_path / "rows"
    append_json_line(path, {"a": 1})
    append_json_line(path, {"a": 2})
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert read_json_lines(path) == [{"a": 1}]
    append_json_line(path, {"a": 3})
    assert read_json_lines(path) == [{"a": 1}, {"a": 3}]


def test_a_line_that_is_torn_elsewhere_is_named(tmp_path):
    path = tmp_path / "rows"
    path.write_text('{"a": 1}\n{"a":\n{"a": 3}\n')
    with pytest.raises(DataError, match=r"rows, line 2"):
        read_json_lines(path)


def test_an_evaluation_comes_back(outputs):
    found = outputs.found()
    assert read_evaluation(outputs.evaluation(found=found)) == found


def test_what_is_not_finite_is_unscored_and_counted(outputs):
    columns = {"nll": [math.nan, math.inf, 1.0]}
    back = read_evaluation(outputs.evaluation(found=outputs.found(value=math.inf, columns=columns)))
    assert back.columns == {"nll": [None, None, 1.0]}
    assert back.scores[0].value is None
    assert back.counts["non_finite"] == 2


def test_columns_of_another_length_are_refused(outputs):
    with pytest.raises(DataError, match="nll has 2 values for 3 samples"):
        outputs.evaluation(found=outputs.found(columns={"nll": [1.0, 2.0]}))
    with pytest.raises(DataError, match="twice"):
        outputs.evaluation(found=outputs.found(samples=("a", "a")))


def test_disk_bytes_counts_files_once(tmp_path):
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    (folder / "x").write_bytes(b"12345")
    (tmp_path / "y").write_bytes(b"123")
    assert disk_bytes(tmp_path) == 8
    assert disk_bytes(tmp_path / "y") == 3
    assert disk_bytes(tmp_path / "nothing") == 0


def test_owned_finds_everything_of_a_run_and_nothing_of_others(outputs):
    mine = {outputs.run("aaa"), outputs.answers("aaa"), outputs.evaluation("aaa"), outputs.member("aaa")}
    aside = outputs.run("aaa").rename(outputs.root / "runs" / "grit-tiny-aaa.1")
    mine |= {outputs.run("aaa"), aside}
    for other in ("base-aaa", "xaaa", "aaab"):
        outputs.answers(other)
        outputs.evaluation(other)
    outputs.run("xaaa")
    assert set(owned(outputs.root)["aaa"]) == mine


def test_a_folder_that_is_held_is_not_removed(outputs):
    folders = [outputs.evaluation("aaa"), outputs.run("aaa")]
    lock = outputs.root / "runs" / ".locks" / f"{folders[1].name}.lock"
    lock.parent.mkdir()
    assert holder(folders[1]) is None
    with FileLock(lock):
        lock.with_suffix(".owner").write_text("4711")
        assert holder(folders[1]) == "4711"
        with pytest.raises(LabError, match="4711"):
            remove(folders)
        assert all((folder / "done.json").exists() for folder in folders)
    remove(folders)
    assert not any(folder.exists() for folder in folders)


def test_a_note_of_another_kind_is_refused(outputs):
    with pytest.raises(DataError, match="does not say kind: evaluation"):
        read_evaluation(outputs.answers())
    folder = outputs.evaluation()
    (folder / "columns.json").write_text(json.dumps({"samples": []})[:-3])
    with pytest.raises(DataError, match=r"columns\.json"):
        read_evaluation(folder)


def test_a_kill_while_deleting_leaves_no_folder_that_looks_whole(outputs, monkeypatch):
    folder = outputs.run("aaa")

    def killed(path, ignore_errors=False):
        if not ignore_errors:
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove([folder])
    assert not folder.exists()
    monkeypatch.undo()
    left = owned(outputs.root)["aaa"]  # what is left still belongs to the run, and goes with it
    remove(left)
    assert owned(outputs.root) == {}
