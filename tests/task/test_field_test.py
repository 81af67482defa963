"""task=field_test: from a log to a table, a file, a picture and the store; the same from the folders alone."""

import json
import sqlite3

import pytest

from finetune_lab.errors import ConfigError, DataError, LabError

LINE = ("task=field_test", "group=season", "~task.outcomes.reposts", "~task.outcomes.impressions")


@pytest.fixture
def log(tmp_path):
    """Base and tuned in turn on posts of two topics; tuned brings half as many likes again, and more replies."""
    lines = ["arm,time,post_id,topic,original_engagement,likes,replies"]
    for n in range(480):
        tuned, post = n % 2, n // 2
        when = f"2026-03-{1 + post // 8:02}T{post % 24:02}:15:00+01:00"
        likes = (4 + 2 * tuned) * (1 + post % 3 % 2) + (n // 7) % 3
        lines.append(f"{('base', 'tuned')[tuned]},{when},p{post},t{post % 5 % 2},{post * 7 % 90},{likes},{n // 5 % 2}")
    path = tmp_path / "March log.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_log_becomes_a_table_files_and_rows(execute, log, capsys):
    lab = execute(*LINE, f"task.log='{log}'")
    said = capsys.readouterr().out
    assert "base → tuned" in said
    assert max(map(len, said.splitlines())) <= 80
    (folder,) = (lab.outputs / "field" / "season").iterdir()
    assert folder.name.startswith("March-log-")
    results = json.loads((folder / "results.json").read_text())
    likes = results["comparisons"][0]["found"][0]
    assert (likes["outcome"], likes["verdict"]) == ("likes", "more")
    assert 1.3 < likes["adjusted"]["low"] < likes["adjusted"]["high"] < 1.5
    assert (folder / "forest.svg").read_text().startswith("<svg")
    with sqlite3.connect(lab.store.path) as asked:
        rows = asked.execute("select outcome, ratio, verdict, group_name, folder from field_results").fetchall()
    assert [row[0] for row in rows] == ["likes", "replies"]
    assert rows[0][1:4] == (pytest.approx(likes["adjusted"]["value"]), "more", "season")
    lab.store.path.unlink()
    assert lab.store.reindex(lab.outputs).counts == {"field tests": 1}
    with sqlite3.connect(lab.store.path) as asked:
        assert asked.execute("select outcome, ratio, verdict, group_name, folder from field_results").fetchall() == rows
    assert {sheet.name: len(sheet.rows) for sheet in lab.store.sheets("season")}["field_results"] == 2


def test_the_same_log_elsewhere_is_the_same_test_and_another_is_not(execute, log, tmp_path):
    execute(*LINE, f"task.log='{log}'")
    other = tmp_path / "elsewhere" / log.name
    other.parent.mkdir()
    other.write_bytes(log.read_bytes())
    lab = execute(*LINE, f"task.log='{other}'")
    assert len(list((lab.outputs / "field" / "season").iterdir())) == 1
    other.write_text(other.read_text() + "base,2026-04-01T10:00:00Z,p9,t1,3,4,0\n")
    execute(*LINE, f"task.log='{other}'")
    assert len(list((lab.outputs / "field" / "season").iterdir())) == 2


def test_mistakes_are_sentences(execute, log):
    with pytest.raises(ConfigError, match=r"task\.reference: the log has no arm 'gold'; it has base, tuned"):
        execute(*LINE, f"task.log='{log}'", "task.reference=gold")
    with pytest.raises(DataError, match="no column impressions"):
        execute("task=field_test", "~task.outcomes.reposts", f"task.log='{log}'")
    with pytest.raises(DataError, match="no file"):
        execute(*LINE, "task.log=nowhere.csv")
    for wrong in ("task.zone=Mars/Olympus", "task.worth=1", "task.outcomes=null", "task.confidence=95"):
        with pytest.raises(LabError):
            execute(*LINE, f"task.log='{log}'", wrong)
