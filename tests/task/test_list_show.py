import re

import pytest
from filelock import FileLock

from finetune_lab.errors import LabError
from finetune_lab.task.list import List
from finetune_lab.task.show import Show


def shown(capsys):
    return capsys.readouterr().out


def test_the_list_fits_eighty_columns(small_study, outputs, capsys):
    outputs.run(
        "ccc111222333", label="a-label-that-is-much-too-long-for-the-terminal", model="an-even-longer-model-name"
    )
    outputs.member("ccc111222333", group="a-group-with-quite-a-long-name")
    small_study.store.reindex(outputs.root)
    for all_groups in (False, True):
        List(all_groups=all_groups).execute(small_study)
        text = shown(capsys)
        table = text.split("failed bbb")[0]
        assert max(len(line) for line in table.splitlines()) <= 80
        for word in ("grit", "tiny", "aaa11122", "done", "2.25", "failed", "base", "kB"):
            assert word in table
        assert "bbb11122: MemoryError: [red]9 GB" in text


def test_states_of_a_run_that_is_half_done(small_lab, outputs, capsys):
    folder = outputs.run("ddd111222333", done=False)
    small_lab.store.index_run(folder)
    List(all_groups=False).execute(small_lab)
    text = shown(capsys)
    assert "stopped" in text  # nobody holds it
    assert re.search(r"\b2 +2\.25\b", text)  # steps and best loss so far, from the curve
    lock = folder.parent / ".locks" / f"{folder.name}.lock"
    lock.parent.mkdir()
    with FileLock(lock):
        List(all_groups=False).execute(small_lab)
        assert "running" in shown(capsys)


def test_an_empty_group_names_the_others(small_study, small_lab):
    small_lab.group = "elsewhere"
    with pytest.raises(LabError, match=r"study \(3\).*all_groups"):
        List(all_groups=False).execute(small_lab)


def test_no_store_says_what_to_do_and_makes_none(small_lab):
    for task in (List(all_groups=True), List(all_groups=False)):
        with pytest.raises(LabError, match="task=run"):
            task.execute(small_lab)
    with pytest.raises(LabError):
        Show(run="aaa", num_samples=1, max_characters=9).execute(small_lab)
    with pytest.raises(LabError):
        Show(run=None, num_samples=1, max_characters=9).execute(small_lab)
    assert not small_lab.outputs.exists()


def test_show_tells_everything_about_a_run(small_study, capsys):
    Show(run="grit", num_samples=2, max_characters=100).execute(small_study)
    text = shown(capsys)
    for part in (
        "aaa111222333",
        "method.rank  8",
        "best_validation_loss  2.25",
        "curve.jsonl",
        "user: Who?",
        "Nobody.",
    ):
        assert part in text
    row = next(line for line in text.splitlines() if line.strip().startswith("perplexity"))
    assert row.split() == ["perplexity", "perplexity", "5", "4", "-1", "better"]
    assert "answers/q1/aaa111222333" in text


def test_a_models_text_cannot_reach_the_terminal(small_study, capsys):
    Show(run="aaa", num_samples=1, max_characters=100).execute(small_study)
    text = shown(capsys)
    assert r"[bold]\x1b[31mme\x07" in text
    assert not set(text) & {"\x1b", "\x07"}


def test_show_cuts_long_text_and_takes_the_newest(small_study, capsys):
    Show(run="aaa", num_samples=1, max_characters=4).execute(small_study)
    assert "user […]" in shown(capsys)
    Show(run=None, num_samples=0, max_characters=4).execute(small_study)
    text = shown(capsys)
    assert "no scores yet" in text or "perplexity" in text
    assert "sample" not in text
