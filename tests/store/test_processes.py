"""Real processes on one store: they open, make and write it at once, and nothing is lost."""

import multiprocessing
import sqlite3
import time
from pathlib import Path

from finetune_lab.store import connection
from finetune_lab.store.store import Store

NUM_PROCESSES, NUM_STEPS, NUM_STORES = 4, 40, 30


def _work(path: Path, number: int, start: float, folders: list[Path]) -> None:
    time.sleep(max(0.0, start - time.time()))  # all of them at once
    store = Store(path)
    store.index_run(folders[0].parents[2] / "runs" / f"grit-tiny-run{number}")
    for step in range(NUM_STEPS):
        store.add_metrics(f"run{number}", step, time.time(), {"train/loss": float(step), "validation/loss": 1.0})
        if step % 10 == 0:
            store.runs()
    for folder in folders:  # all of them the same ones
        store.index_evaluation(folder)
    store.set_status(f"run{number}", "done")


def _reindex(path: Path, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    for _ in range(3):
        Store(path).reindex(path.parent)


def test_four_processes_make_and_write_one_store(outputs):
    path = outputs.root / "lab.sqlite"
    folders = [outputs.evaluation(f"subject{number}") for number in range(5)]
    for number in range(NUM_PROCESSES):
        outputs.run(f"run{number}", done=False).joinpath("curve.jsonl").unlink()
    _together([(_work, (path, number, time.time() + 1.5, folders)) for number in range(NUM_PROCESSES)])
    with sqlite3.connect(path) as asked:
        assert asked.execute("pragma journal_mode").fetchone() == ("wal",)
        assert asked.execute("pragma integrity_check").fetchone() == ("ok",)
        assert asked.execute("select count(*) from score").fetchone() == (5,)
        assert asked.execute("select count(*) from training_metric").fetchone() == (NUM_PROCESSES * NUM_STEPS * 2,)
        assert asked.execute("select count(*) from run where status = 'done'").fetchone() == (NUM_PROCESSES,)


def _make_many(root: Path, together) -> None:
    for number in range(NUM_STORES):
        together.wait(60)
        Store(root / str(number) / "lab.sqlite").add_metrics("run", 1, 1.0, {"train/loss": 1.0})


def test_the_moment_of_making_is_safe(tmp_path):
    together = multiprocessing.get_context("spawn").Barrier(NUM_PROCESSES)
    _together([(_make_many, (tmp_path, together))] * NUM_PROCESSES)
    assert len(list(tmp_path.glob("*/lab.sqlite"))) == NUM_STORES


def test_a_forked_process_opens_a_connection_of_its_own(store):
    store.add_metrics("run", 1, 1.0, {"train/loss": 1.0})
    child = multiprocessing.get_context("fork").Process(
        target=store.add_metrics, args=("run", 2, 1.0, {"train/loss": 2.0})
    )
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert store.curve("run") == {"train/loss": [(1, 1.0), (2, 2.0)]}


def test_reindexing_beside_writers_damages_nothing(outputs):
    path = outputs.root / "lab.sqlite"
    folders = [outputs.evaluation(f"subject{number}") for number in range(5)]
    for number in range(2):
        outputs.run(f"run{number}", done=False)
    start = time.time() + 1.5
    jobs = [(_work, (path, number, start, folders)) for number in range(2)]
    _together([*jobs, (_reindex, (path, start)), (_reindex, (path, start))])
    with sqlite3.connect(path) as asked:
        assert asked.execute("pragma integrity_check").fetchone() == ("ok",)
    store = Store(path)
    assert len(store.runs()) == 2
    assert len(store.scores([f"subject{number}" for number in range(5)])) == 5
    assert [path.name for path in outputs.root.glob("*.new*")] == []


def _together(jobs):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=target, args=arguments) for target, arguments in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_a_store_made_by_another_in_the_moment_of_looking_is_written_to(tmp_path, monkeypatch):
    path = tmp_path / "lab.sqlite"
    mine, other = Store(path), Store(path)
    real = connection.open_database

    def late(place):
        opened = real(place)
        if place is None:  # between looking and opening, another process makes the file
            monkeypatch.setattr(connection, "open_database", real)
            other.add_metrics("theirs", 1, 1.0, {"train/loss": 1.0})
        return opened

    monkeypatch.setattr(connection, "open_database", late)
    assert mine.runs() == []
    mine.add_metrics("mine", 1, 1.0, {"train/loss": 1.0})
    mine.close()
    with sqlite3.connect(path) as asked:
        assert asked.execute("select run from training_metric order by run").fetchall() == [("mine",), ("theirs",)]
