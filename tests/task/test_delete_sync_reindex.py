import pytest
from filelock import FileLock

from finetune_lab.errors import LabError
from finetune_lab.task.delete import Delete
from finetune_lab.task.reindex import Reindex
from finetune_lab.task.sync import Sync


def test_delete_shows_first_and_deletes_only_when_told(small_study, outputs, capsys):
    before = sorted(outputs.root.glob("*/**/*"))
    Delete(run="grit", yes=False).execute(small_study)
    text = capsys.readouterr().out
    assert "task.yes=true" in text
    for part in ("runs/grit-tiny-aaa111222333", "answers/q1/aaa", "evals/perplexity-m1/aaa", "groups/study/aaa", "kB"):
        assert part in text
    assert sorted(outputs.root.glob("*/**/*")) == before
    Delete(run="grit", yes=True).execute(small_study)
    left = [path.name for path in outputs.root.rglob("*") if ".locks" not in path.parts]
    assert not [name for name in left if "aaa111222333" in name]
    assert (outputs.root / "evals" / "perplexity-m1" / "base-b" / "done.json").exists()
    assert [row.key for row in small_study.store.runs()] == ["bbb111222333"]
    with pytest.raises(LabError):
        Delete(run="grit", yes=True).execute(small_study)


@pytest.mark.parametrize("where", ["runs/grit-tiny-aaa111222333", "answers/q1/aaa111222333"])
def test_a_run_that_is_held_is_not_deleted(small_study, outputs, where):
    folder = outputs.root / where
    lock = folder.parent / ".locks" / f"{folder.name}.lock"
    lock.parent.mkdir(exist_ok=True)
    with FileLock(lock):
        lock.with_suffix(".owner").write_text("4711")
        with pytest.raises(LabError, match="process 4711"):
            Delete(run="aaa", yes=True).execute(small_study)
    assert (outputs.root / "runs" / "grit-tiny-aaa111222333" / "done.json").exists()
    assert len(small_study.store.runs()) == 2


def test_sync_replays_every_run(small_study):
    Sync(max_samples=5, report=None).execute(small_study)
    calls = small_study.tracker.calls
    assert calls[0] == ("check",)
    sessions = [call for call in calls if call[0] == "session"]
    assert {(card.key, card.group) for _, card, _ in sessions} == {
        (key, "study") for key in ("aaa111222333", "bbb111222333")
    }
    card = next(card for _, card, _ in sessions if card.label == "grit")
    assert (card.base, card.seed, card.config["method"]) == ("base-b", 3, {"rank": 8})
    assert [call for call in calls if call[0] == "log"][:2] == [
        ("log", 1, {"train/loss": 2.0, "validation/loss": 3.0}),
        ("log", 2, {"train/loss": 1.25, "validation/loss": 2.25}),
    ]
    summary = next(call[1] for call in calls if call[0] == "summarise" and len(call[1]) == 2)
    assert summary == {"base/perplexity/perplexity": 5.0, "tuned/perplexity/perplexity": 4.0}
    _, name, columns, rows = next(call for call in calls if call[0] == "table")
    assert (name, columns) == ("samples", ("sample", "prompt", "reference", "base", "tuned"))
    assert rows[0][1:] == ["user: Who?", "Nobody.", "you", "[bold]\x1b[31mme\x07"]
    assert sorted(small_study.tracker.ends) == [False, True]  # the failed run ends as failed


def test_sync_of_an_empty_group_names_the_others(small_study):
    small_study.group = "elsewhere"
    with pytest.raises(LabError, match="study"):
        Sync(max_samples=5, report=None).execute(small_study)


def test_reindex_says_what_it_found_and_left_out(small_study, outputs, capsys):
    (outputs.root / "evals" / "perplexity-m1" / "half").mkdir()
    Reindex().execute(small_study)
    text = capsys.readouterr().out
    assert "half: not finished" in text
    assert "1 datasets, 2 runs, 2 answers, 2 evaluations, 2 memberships" in text
