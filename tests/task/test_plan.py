"""task=plan tells before anything is spent; task=run and task=train refuse what cannot fit."""

import json

import pytest

from finetune_lab.errors import WorldError
from finetune_lab.once import read_note
from finetune_lab.planning import checking
from finetune_lab.planning.room import Room

SMALL = ("data.max_rows=60", "method.max_steps=4", "runtime.device=cpu")


def plan(made, capsys):
    shown = capsys.readouterr().out
    path = made.outputs / "plans" / f"{made.names.method}-{made.names.model}" / "plan.json"
    assert max(map(len, shown.replace(str(path), "").splitlines())) <= 80
    return json.loads(path.read_text()), shown


def test_a_plan_by_arithmetic_names_every_part(execute, capsys):
    made = execute("task=plan", "task.measure=off", *SMALL, "task.device.price_per_hour=2")
    found, shown = plan(made, capsys)
    arithmetic = found["arithmetic"]
    assert arithmetic["total_bytes"] == sum(arithmetic["parts"].values()) == max(arithmetic["moments"].values())
    assert arithmetic["state"] == "fits"
    assert found["num_updates"] == 4
    assert [item["name"] for item in found["time"]] == ["training", "validation", "perplexity", "schema"]
    assert found["time"][0]["seconds"] > 0
    assert "not measured: task.measure=off" in shown
    assert not made.artifact.place.exists()


def test_a_gpu_that_is_not_here_and_a_model_out_of_reach(execute, capsys):
    line = ("model=llama3_8b", "device@task.device=l4", "task.device.price_per_hour=0.8")
    found, shown = plan(execute("task=plan", *SMALL, *line), capsys)
    assert found["parameters"]["told_by"] == "size"
    assert found["precision"] == "bfloat16"
    assert found["arithmetic"]["parts"]["weights"] == pytest.approx(5.6e9, rel=0.05)
    assert found["seconds"] > 0
    assert found["cost"] == pytest.approx(found["seconds"] / 3600 * 0.8)
    assert "L4 24 GB is not here" in shown


def test_what_does_not_fit_comes_with_what_would(execute, capsys):
    line = ("model=llama3_8b", "method=lora", "model.quantization=none", "device@task.device=t4")
    found, shown = plan(execute("task=plan", *SMALL, *line), capsys)
    assert found["arithmetic"]["state"] == "cannot"
    assert ["model.quantization=nf4"] in [one["overrides"] for one in found["instead"]]
    assert all(one["num_bytes"] < found["device"]["num_bytes"] for one in found["instead"])
    assert "does not fit" in shown
    assert "what would fit instead" in shown


def test_a_method_that_trains_nothing_has_a_plan_too(execute, capsys):
    found, shown = plan(execute("task=plan", "method=base", "data.max_rows=60", "runtime.device=cpu"), capsys)
    assert found["arithmetic"] is None
    assert [item["name"] for item in found["time"]] == ["perplexity", "schema"]
    assert "this method trains nothing" in shown


def test_measuring_that_is_asked_for_and_cannot_be_is_an_error(execute):
    with pytest.raises(WorldError, match=r"task\.measure=on, but T4 16 GB is not here"):
        execute("task=plan", "task.measure=on", "device@task.device=t4", *SMALL)


@pytest.mark.parametrize("task", ["run", "train"])
def test_what_cannot_fit_stops_before_it_starts(task, execute, lab, monkeypatch):
    room = Room(name="this machine", device="cpu", num_bytes=1000)
    monkeypatch.setattr(checking, "room_here", lambda device: room)
    line = (f"task={task}", *SMALL, "eval=[]")
    with pytest.raises(WorldError, match="this training does not fit"):
        execute(*line)
    assert read_note(lab(*line).data_folder) is None, "something was done before the check"


def test_the_check_can_be_switched_off_and_asks_nothing_of_what_is_done(lab, monkeypatch, tmp_path):
    monkeypatch.setattr(checking, "room_here", lambda device: Room(name="x", device="cpu", num_bytes=1000))
    lab("runtime.check_memory=false", *SMALL).check_memory()
    made = lab(*SMALL)
    with pytest.raises(WorldError):
        made.check_memory()
    made.artifact.place.mkdir(parents=True)
    (made.artifact.place / "done.json").write_text("{}")
    made.check_memory()
    with pytest.raises(WorldError):
        lab("fresh=[train]", *SMALL).check_memory()
