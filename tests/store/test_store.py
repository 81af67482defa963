import json
import math
import sqlite3

import numpy as np
import pytest

from finetune_lab.errors import DataError, LabError
from finetune_lab.records import Sample, Statistic
from finetune_lab.store.store import Store


def test_an_empty_store_answers_and_leaves_no_file(store):
    assert (store.runs(), store.groups(), store.members("g"), store.scores(["a"])) == ([], {}, [], [])
    assert store.columns("a", "m").samples == ()
    assert store.curve("a") == {}
    with pytest.raises(LabError, match="holds none"):
        store.find("a")
    assert not store.path.parent.exists()


def test_a_run_comes_back_whole(outputs, store):
    folder = outputs.run()
    assert store.index_run(folder)
    row = store.runs()[0]
    assert (row.key, row.base, row.label, row.seed, row.status) == ("aaa111", "base-b", "grit", 3, "done")
    assert row.report["best_validation_loss"] == 2.25
    assert row.config == {"seed": 3, "method": {"rank": 8}}
    assert (row.data_key, row.folder, row.groups) == ("d1", folder, ("study",))
    assert row.started == "2023-11-14T22:13:20+00:00"
    assert row.finished == "2025-01-01T10:00:00+00:00"


def test_the_last_line_of_a_step_wins(outputs, store):
    store.index_run(outputs.run())
    assert store.curve("aaa111") == {"train/loss": [(1, 2.0), (2, 1.25)], "validation/loss": [(1, 3.0), (2, 2.25)]}


def test_what_is_unchanged_is_not_read_again(outputs, store):
    folder = outputs.run()
    assert store.index_run(folder)
    assert not store.index_run(folder)
    (folder / "curve.jsonl").write_text('{"step": 9, "time": 1, "metrics": {"train/loss": 0.5}}\n')
    assert store.index_run(folder)
    assert store.curve("aaa111") == {"train/loss": [(9, 0.5)]}


def test_half_done_failed_and_started_again(outputs, store):
    folder = outputs.run(done=False)
    store.index_run(folder)
    assert store.find("aaa").status == "running"
    (folder / "failed.json").write_text(json.dumps({"error": "MemoryError: 9 GB", "time": 1.7e9 + 60}))
    store.index_run(folder)
    assert (store.find("aaa").status, store.find("aaa").error) == ("failed", "MemoryError: 9 GB")
    outputs.run(done=False, started=1.7e9 + 3600)  # the failure is older than this start
    store.index_run(folder)
    assert (store.find("aaa").status, store.find("aaa").error) == ("running", None)


def test_live_metrics_and_status(outputs, store):
    store.index_run(outputs.run(done=False))
    store.add_metrics("aaa111", 3, 1.0, {"train/loss": 1.0, "train/grad_norm": math.nan})
    store.add_metrics("aaa111", 3, 2.0, {"train/loss": 0.5})
    curve = store.curve("aaa111")
    assert curve["train/loss"][-1] == (3, 0.5)
    assert math.isnan(curve["train/grad_norm"][0][1])
    store.set_status("aaa111", "failed", "it's; drop table run")
    assert store.find("aaa111").error == "it's; drop table run"
    with pytest.raises(LabError, match="nobody"):
        store.set_status("nobody", "done")
    with pytest.raises(ValueError, match="planned"):
        store.set_status("aaa111", "dead")


def test_find_by_prefix_and_label(outputs, store):
    for key, label in (("aaa111", "grit"), ("aab222", "lora"), ("ccc333", "lora")):
        store.index_run(outputs.run(key, label))
    assert store.find("grit").key == store.find("aaa").key == "aaa111"
    for ambiguous in ("aa", "lora", "lor"):
        with pytest.raises(LabError):
            store.find(ambiguous)
    with pytest.raises(LabError, match=r"aab222.*ccc333"):
        store.find("lora")
    with pytest.raises(LabError, match=r"no run 'aaa112'; near it: aaa111 \(grit\)"):
        store.find("aaa112")
    with pytest.raises(LabError):
        store.find("")


def test_groups_and_members(outputs, store):
    store.index_run(outputs.run(group="first"))
    store.index_run(outputs.run("bbb", group="first"))
    store.index_membership(outputs.member())
    store.index_membership(outputs.member("base-b", label="base", measures={}))
    assert store.groups() == {"first": 2, "study": 2}
    assert [row.key for row in store.runs("study")] == ["aaa111"]
    assert store.find("aaa").groups == ("first", "study")
    found = {member.run: member for member in store.members("study")}
    assert found["aaa111"].measures == {"perplexity": "m1"}
    assert found["aaa111"].config["seed"] == 3
    assert found["base-b"].run == found["base-b"].base
    assert found["base-b"].config == {}


def test_scores_keep_their_statistic(outputs, store):
    store.index_evaluation(outputs.evaluation())
    store.index_evaluation(outputs.evaluation("base-b", found=outputs.found(value=None)))
    store.index_evaluation(outputs.evaluation(measure="m2"))
    base, tuned = sorted(store.scores(["aaa111", "base-b"], ["m1"]), key=lambda row: row.subject == "aaa111")
    assert (base.value, tuned.value) == (None, 4.0)
    assert tuned.statistic == Statistic(kind="ratio", of="nll", per="tokens", transform="exp")
    assert tuned.higher_is_better is False
    assert len(store.scores(["aaa111"])) == 2
    assert store.scores(["aaa111"], []) == []


def test_columns_and_their_view(outputs, store):
    store.index_evaluation(outputs.evaluation())
    found = store.columns("aaa111", "m1")
    assert (found.samples, found.clusters) == (("s0", "s1", "s2"), ("c-s0", "c-s1", "c-s2"))
    np.testing.assert_array_equal(found.columns["nll"], [1.5, np.nan, 0.1])
    with sqlite3.connect(store.path) as asked:
        rows = asked.execute(
            "select sample, cluster, value, evaluator from sample_scores where name = 'nll'"
        ).fetchall()
    assert rows == [
        ("s0", "c-s0", 1.5, "perplexity"),
        ("s1", "c-s1", None, "perplexity"),
        ("s2", "c-s2", 0.1, "perplexity"),
    ]


def test_another_order_or_more_samples_keep_their_places(outputs, store):
    store.index_evaluation(outputs.evaluation())
    more = outputs.found(samples=("s2", "new", "s0"), columns={"nll": [2.0, 9.0, 0.0]})
    store.index_evaluation(outputs.evaluation("bbb", found=more))
    found = store.columns("bbb", "m1")
    assert found.samples == store.columns("aaa111", "m1").samples == ("s0", "s1", "s2", "new")
    np.testing.assert_array_equal(found.columns["nll"], [0.0, np.nan, 2.0, 9.0])
    np.testing.assert_array_equal(store.columns("aaa111", "m1").columns["nll"], [1.5, np.nan, 0.1, np.nan])


def test_an_evaluation_made_again_replaces_the_old_one(outputs, store):
    store.index_evaluation(outputs.evaluation())
    store.index_evaluation(outputs.evaluation(found=outputs.found(value=2.0, columns={"loss": [1.0, 2.0, 3.0]})))
    assert [row.value for row in store.scores(["aaa111"])] == [2.0]
    assert list(store.columns("aaa111", "m1").columns) == ["loss"]
    assert store.details("aaa111", "m1")["s1"] == {"note": "s1"}
    assert store.evaluations("aaa111")[0].counts == {"unscored": 1}


def test_answers_and_samples(outputs, store):
    asked = Sample.of(messages=[{"role": "user", "content": "Hé?"}, {"role": "assistant", "content": "so"}])
    store.index_dataset(outputs.dataset(samples=(asked,)))
    store.index_answers(outputs.answers(texts=("[red]x\x1b[31m", "lone \ud83d half")))
    first, second = store.answers("aaa111")
    assert (first.text, first.finish, second.text) == ("[red]x\x1b[31m", "end", "lone ? half")
    assert store.answers("aaa111", "other") == []
    assert store.answer_keys("aaa111") == ["q1"]
    found = store.samples([asked.id, "unknown"])
    assert list(found) == [asked.id]
    assert found[asked.id].reference == "so"
    other = Sample.of(text="plain")
    store.add_samples([asked, other, other])
    assert store.samples([other.id])[other.id].text == "plain"


def test_delete_forgets_one_run_only(outputs, store):
    for key in ("aaa111", "xaaa111"):
        store.index_run(outputs.run(key))
        store.index_membership(outputs.member(key))
        store.index_answers(outputs.answers(key))
        store.index_evaluation(outputs.evaluation(key))
    store.delete("aaa111")
    assert [row.key for row in store.runs()] == ["xaaa111"]
    assert [member.run for member in store.members("study")] == ["xaaa111"]
    with sqlite3.connect(store.path) as asked:
        tables = dict.fromkeys(("score", "column_values", "answer", "detail", "evaluation"), "subject")
        for table, column in (tables | {"training_metric": "run"}).items():
            assert asked.execute(f"select distinct {column} from {table}").fetchall() == [("xaaa111",)]
    assert store.index_evaluation(outputs.evaluation("aaa111"))  # made again, it is read again
    assert store.index_run(outputs.run("aaa111"))


@pytest.mark.parametrize("kind", ["dataset", "answers", "evaluation", "run"])
def test_a_foreign_folder_is_named(outputs, store, kind, tmp_path):
    folder = tmp_path / "outputs" / "foreign"
    index = getattr(store, f"index_{kind}")
    folder.mkdir(parents=True)
    with pytest.raises(DataError, match="foreign"):
        index(folder)
    outputs.note(folder, kind=kind, key={"not": "a key"}, measure=None)
    (folder / "card.json").write_text("[1]")
    with pytest.raises(DataError, match="foreign"):
        index(folder)
    assert store.runs() == []


def test_an_outputs_folder_can_be_moved(outputs, store, tmp_path):
    store.index_run(outputs.run())
    store.close()
    moved = outputs.root.rename(tmp_path / "elsewhere")
    row = Store(moved / "lab.sqlite").find("aaa")
    assert row.folder == moved / "runs" / "grit-tiny-aaa111"
    assert row.folder.is_dir()


def test_a_store_that_another_process_makes_or_replaces_is_seen(outputs, store):
    assert store.runs() == []
    other = Store(store.path)
    other.index_run(outputs.run())
    assert [row.key for row in store.runs()] == ["aaa111"]
    other.close()
    store.close()
    assert store.runs()
    for path in outputs.root.glob("lab.sqlite*"):
        path.unlink()
    other.index_run(outputs.run("bbb222"))
    assert [row.key for row in store.runs()] == ["bbb222"]
    other.close()
