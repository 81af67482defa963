"""Checkpoints are whole or not there, and time is added up over all processes of a training."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune_lab.training.checkpoints import Segments, last_whole, mark_whole, stopped_at


def checkpoint(folder: Path, step: int, *, whole: bool = True) -> Path:
    made = folder / f"checkpoint-{step}"
    (made / "deeper").mkdir(parents=True)
    (made / "weights.bin").write_bytes(b"x" * 1000)
    (made / "deeper" / "state.json").write_text("{}")
    if whole:
        mark_whole(made)
    return made


def test_the_latest_whole_one_by_number_and_not_by_name(tmp_path: Path) -> None:
    assert last_whole(tmp_path / "nothing") is None
    for step in (9, 100, 20):
        checkpoint(tmp_path, step)
    assert last_whole(tmp_path) == tmp_path / "checkpoint-100"


TEARS: dict[str, Callable[[Path], object]] = {
    "cut": lambda made: (made / "weights.bin").write_bytes(b"x" * 999),
    "longer": lambda made: (made / "weights.bin").write_bytes(b"x" * 1001),
    "missing": lambda made: (made / "weights.bin").unlink(),
    "missing deeper": lambda made: (made / "deeper" / "state.json").unlink(),
    "no note": lambda made: (made / "whole.json").unlink(),
    "note cut": lambda made: (made / "whole.json").write_text('{"weights.bin": 10'),
    "note empty": lambda made: (made / "whole.json").write_text(""),
}


@pytest.mark.parametrize("tear", TEARS.values(), ids=TEARS)
def test_a_torn_one_is_removed_and_the_one_before_is_taken(tear: Callable[[Path], object], tmp_path: Path) -> None:
    kept, torn = checkpoint(tmp_path, 10), checkpoint(tmp_path, 20)
    tear(torn)
    assert last_whole(tmp_path) == kept
    assert not torn.exists()
    assert (kept / "weights.bin").exists()
    assert last_whole(tmp_path) == kept


def test_one_that_was_never_marked_is_no_checkpoint(tmp_path: Path) -> None:
    torn = checkpoint(tmp_path, 5, whole=False)
    assert last_whole(tmp_path) is None
    assert not torn.exists()


def test_a_training_that_had_stopped_early_is_known_by_its_checkpoint(tmp_path: Path) -> None:
    made = checkpoint(tmp_path, 20)

    def write(counter: int | None) -> None:
        stop = {} if counter is None else {"attributes": {"early_stopping_patience_counter": counter}}
        state = {"global_step": 20, "stateful_callbacks": {"EarlyStoppingCallback": stop}}
        (made / "trainer_state.json").write_text(json.dumps(state))

    write(3)
    assert stopped_at(made, patience=3) == 20
    write(2)
    assert stopped_at(made, patience=3) is None
    write(None)
    assert stopped_at(made, patience=3) is None
    assert stopped_at(None, patience=3) is None


def test_segments_add_up(tmp_path: Path) -> None:
    first = Segments(tmp_path)
    first.beat(peak_bytes=500)
    second = Segments(tmp_path)
    second.beat(peak_bytes=300)
    for path, seconds in zip(sorted((tmp_path / "segments").glob("*.json")), (2.5, 1.25), strict=True):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": seconds}))
    assert second.total() == (3.75, 2)
    assert second.peak_bytes() == 500
