"""What cannot fit is refused with numbers and a way out; what comes near is not."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from finetune_lab.errors import WorldError
from finetune_lab.planning import checking
from finetune_lab.planning.alternatives import alternatives
from finetune_lab.planning.checking import check_memory, foreseen_here, foreseen_on
from finetune_lab.planning.fitting import PROGRAM_BYTES
from finetune_lab.planning.lengths import Lengths, unknown
from finetune_lab.planning.memory import foresee
from finetune_lab.planning.room import Room, _allowed

LONG = Lengths(num_rows=1000, shortest_guess=1024, longest=1024, mean=400.0)


def foreseen(made: Any, num_bytes: float, lengths: Lengths = LONG) -> Any:
    room = Room(name="a device", device="cpu", num_bytes=round(num_bytes) + PROGRAM_BYTES["cpu"])
    return foreseen_on(room, made.model, made.method.outline(), "cpu", "float32", False, lengths)


def test_far_above_the_room_cannot_fit_and_just_above_is_only_near(lab):
    made = lab("method=lora", "method.batch_size=8")
    need = foreseen(made, 1e12).memory.total
    states = [foreseen(made, factor * need).state for factor in (0.5, 0.9, 1.1, 2.0)]
    assert states == ["cannot", "near", "near", "fits"]


def test_before_the_data_is_prepared_only_what_is_certain_refuses(lab):
    made = lab("method=lora", "method.batch_size=8")
    assert foreseen(made, foreseen(made, 1e12).memory.total / 2, unknown(1024)).state == "near"


def test_what_would_fit_begins_with_what_stays_the_same_run(lab):
    made = lab("method=lora", "model.quantization=none", "method.batch_size=8", "method.accumulation=1")
    one = foreseen(made, 1e12)
    room = round(0.65 * one.memory.total)
    found = alternatives(one.situation, made.method.outline(), room)
    assert found[0].overrides == ("method.batch_size=4", "method.accumulation=2")
    assert found[0].same
    assert all(other.num_bytes <= room for other in found)
    assert len(found) <= 5, "one of each kind"
    assert {"runtime.gradient_checkpointing=on"} <= {text for other in found for text in other.overrides}
    again = lab("method=lora", "model.quantization=none", *found[0].overrides)
    assert foreseen(again, 1e12).memory.total == found[0].num_bytes
    assert again.artifact.key == made.artifact.key


def test_where_no_single_change_is_enough_several_are_taken_together(lab):
    made = lab("method=lora", "method.batch_size=8", "method.adapter.rank=64")
    one, outline = foreseen(made, 1e12).situation, made.method.outline()
    furthest = (
        replace(one, rows=1, accumulation=16),
        replace(one, checkpointing=True),
        replace(one, length=128, evaluation_length=128),
    )
    room = round(0.9 * min(foresee(other).total for other in furthest))
    (found,) = alternatives(one, outline, room)
    assert found.num_bytes <= room
    assert len(found.overrides) > 2
    assert not found.same
    assert alternatives(one, outline, 1000) == []


@pytest.fixture
def room_of(monkeypatch):
    """Let this machine have so many bytes free."""

    def have(num_bytes: float) -> None:
        room = Room(name="this machine", device="cpu", num_bytes=round(num_bytes))
        monkeypatch.setattr(checking, "room_here", lambda device: room)

    return have


def test_the_check_names_numbers_and_a_way_out(lab, room_of, caplog):
    made = lab("method=lora", "method.batch_size=8", "runtime.device=cpu")
    _ = made.dataset
    given = (made.model, made.method, made.runtime, "float32", made.data_folder / "train.jsonl")
    room_of(1e12)
    known = foreseen_here(*given)
    assert known is not None
    room_of(PROGRAM_BYTES["cpu"] + 0.9 * known.least_bytes)
    with pytest.raises(WorldError, match=r"does not fit: about .* free\n(.*\n)*.*check_memory=false") as told:
        check_memory(*given)
    assert "method.batch_size=" in str(told.value)
    with caplog.at_level(logging.INFO, "finetune_lab"):
        room_of(PROGRAM_BYTES["cpu"] + known.memory.total)
        check_memory(*given)
        assert "near the limit" in caplog.text
        caplog.clear()
        room_of(PROGRAM_BYTES["cpu"] + 2 * known.memory.total)
        check_memory(*given)
    assert not caplog.text


def test_what_trains_nothing_or_has_no_shape_is_not_checked(lab, room_of):
    room_of(1)
    made = lab("method=base")
    check_memory(made.model, made.method, made.runtime, "float32", None)
    check_memory(object(), lab("method=lora").method, made.runtime, "float32", None)


def test_a_container_may_use_what_its_group_allows(tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 200\n")
    assert _allowed(tmp_path) == 500
    (tmp_path / "memory.max").write_text("max\n")
    assert _allowed(tmp_path) is None
    assert _allowed(tmp_path / "none") is None
