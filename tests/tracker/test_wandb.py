"""The real W&B client, without a network: offline, and against servers on the loopback interface."""

import json
import logging
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from pydantic import ValidationError

from finetune_lab.errors import WorldError
from finetune_lab.tracker.wandb import Wandb, has_key

KEY = "0123456789abcdef0123456789abcdef01234567"


def tracker(**knobs):
    given = {"project": "p", "entity": None, "mode": "auto", "init_timeout_seconds": 2, "finish_timeout_seconds": 2}
    return Wandb(**given | knobs)


@pytest.fixture(autouse=True)
def fresh_client():
    """Settings are read once for each W&B service; another test's server must not be remembered."""
    yield
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


def follow(card, outputs, **knobs):
    with tracker(**knobs).session(card, outputs / "runs" / "grit-tiny-x") as session:
        session.log(1, {"train/loss": 2.0, "train/learning_rate": 0.1})
        session.log(2, {"train/loss": 1.5, "validation/loss": 1.75})
        session.summarise({"base/perplexity/perplexity": 9.0, "tuned/perplexity/perplexity": 4.0})
        session.table("samples", ["sample", "tuned"], [["s0", "hello"], ["s1", None]])


def values(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_offline_without_a_key_keeps_everything(card, tmp_path, records, capfd):
    follow(card, tmp_path)
    found = records(tmp_path)
    run = next(record.run for record in found if record.HasField("run"))
    assert (run.run_id, run.run_group, run.project) == (card.key, "study", "p")
    assert values(run.config.update)["method"] == {"rank": 8}
    history = [values(record.history.item) for record in found if record.HasField("history")]
    assert [(row["_step"], row["train/loss"]) for row in history[:2]] == [(1, 2.0), (2, 1.5)]
    assert history[1]["validation/loss"] == 1.75
    assert history[1]["samples/nrows"] == 2  # the table stands at the last step
    summary = {}
    for record in found:
        summary |= values(record.summary.update)
    assert summary["tuned/perplexity/perplexity"] == 4.0
    assert next(record.exit.exit_code for record in found if record.HasField("exit")) == 0
    assert list((tmp_path / "wandb").glob("offline-run-*"))
    assert "".join(capfd.readouterr()) == ""


def test_a_failed_run_is_finished_as_failed(card, tmp_path, records):
    def stopped():
        with tracker().session(card, tmp_path) as session:
            session.log(1, {"train/loss": 2.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [record.exit.exit_code for record in records(tmp_path) if record.HasField("exit")] == [1]


def test_a_resumed_run_keeps_its_id(card, tmp_path, records):
    for step in (1, 2):
        with tracker().session(card, tmp_path) as session:
            session.log(step, {"train/loss": 1.0})
        time.sleep(1.1)  # W&B names its folders by the second
    assert {record.run.run_id for record in records(tmp_path) if record.HasField("run")} == {card.key}
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 2


def test_online_sends_curves_config_and_the_exit_code(card, tmp_path, server, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    follow(card, tmp_path, finish_timeout_seconds=20)
    first = server.upserts[0]
    assert (first["name"], first["groupName"], first["project"]) == (card.key, "study", "p")
    assert json.loads(first["config"])["method"]["value"] == {"rank": 8}
    history = server.rows("wandb-history.jsonl")
    assert [(row["_step"], row["train/loss"]) for row in history[:2]] == [(1, 2.0), (2, 1.5)]
    assert server.rows("wandb-summary.json")[-1]["tuned/perplexity/perplexity"] == 4.0
    assert server.ended[-1]["exitcode"] == 0


def compared(card, outputs, **knobs):
    with tracker(**knobs).session(replace(card, job="comparison", label="comparison of study"), outputs) as session:
        session.chart("difference of schema/valid", ("pair", "difference"), [["base → lora", 0.25]])
        session.page("Comparison of study", ["base → lora, schema/valid: better", "a *label* of somebody's"])


def test_a_comparison_has_charts_and_notes_offline(card, tmp_path, records, caplog):
    compared(card, tmp_path)
    found = records(tmp_path)
    runs = [record.run for record in found if record.HasField("run")]
    assert (runs[0].display_name, runs[0].job_type) == ("comparison of study", "comparison")
    assert any("base → lora, schema/valid: better" in run.notes for run in runs)
    rows = [values(record.history.item) for record in found if record.HasField("history")]
    assert any(key.startswith("difference of schema/valid") for row in rows for key in row)
    assert "has failed" not in caplog.text


def test_files_are_kept_as_an_artifact(card, tmp_path, records, caplog):
    path = tmp_path / "data_card.md"
    path.write_text("# Data card")
    with tracker().session(card, tmp_path) as session:
        session.files("data-rows", "data_card", [path])
    (kept,) = [record.artifact for record in records(tmp_path) if record.HasField("artifact")]
    assert (kept.name, kept.type) == ("data-rows", "data_card")
    assert [entry.path for entry in kept.manifest.contents] == ["data_card.md"]
    assert "has failed" not in caplog.text


def test_online_a_comparison_is_saved_as_a_report(card, tmp_path, server, monkeypatch):
    pytest.importorskip("wandb_workspaces", reason="W&B Reports need the package wandb-workspaces")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    compared(card, tmp_path, finish_timeout_seconds=20)
    [view] = server.views
    assert view["displayName"] == "Comparison of study"
    assert any("a *label* of somebody's" in json.dumps(block) for block in json.loads(view["spec"])["blocks"])


def test_a_report_that_nobody_takes_is_given_up_in_time(card, tmp_path, server, monkeypatch, caplog):
    pytest.importorskip("wandb_workspaces", reason="W&B Reports need the package wandb-workspaces")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    server.slow_views = True
    started = time.monotonic()
    compared(card, tmp_path, finish_timeout_seconds=2)
    assert time.monotonic() - started < 25
    assert "has saved no Report" in caplog.text


def test_a_replay_adds_only_what_the_server_lacks(card, tmp_path, server, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    server.known_step = 3
    with tracker(finish_timeout_seconds=20).session(card, tmp_path) as session:
        for step in range(1, 6):
            session.log(step, {"train/loss": float(step)})
    assert [row["_step"] for row in server.rows("wandb-history.jsonl")] == [4, 5]


@pytest.mark.parametrize("kind", ["refusing", "silent"])
def test_an_unreachable_server_costs_seconds_and_loses_nothing(
    card, tmp_path, records, kind, request, monkeypatch, caplog
):
    port = request.getfixturevalue(f"{kind}_port")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        follow(card, tmp_path)
    assert time.monotonic() - started < 10
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "kept offline" in caplog.text
    assert "task=sync" in caplog.text
    assert KEY not in caplog.text
    assert len([record for record in records(tmp_path) if record.HasField("history")]) == 2
    started = time.monotonic()
    with tracker(init_timeout_seconds=2).session(card, tmp_path) as session:
        session.log(1, {"train/loss": 1.0})
    assert time.monotonic() - started < 1.9, "what is known to be unreachable is waited for once in a process"


def test_a_server_that_stops_answering_does_not_hold_the_end(card, tmp_path, server_that_stops, records, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server_that_stops.url)
    started = time.monotonic()
    with tracker(mode="online").session(card, tmp_path) as session:
        for step in range(1, 6):
            session.log(step, {"train/loss": 1.0})
    assert server_that_stops.hangs
    assert time.monotonic() - started < 10
    assert len([record for record in records(tmp_path) if record.HasField("history")]) == 5


def test_trouble_inside_a_session_never_reaches_the_run(card, tmp_path, monkeypatch, caplog):
    import wandb

    def broken(**_):
        raise RuntimeError("disk\nfull")

    monkeypatch.setattr(wandb, "init", broken)
    with caplog.at_level(logging.WARNING), tracker().session(card, tmp_path) as session:
        session.log(1, {"train/loss": 1.0})
        session.log(2, {"train/loss": 1.0})
        session.table("samples", ["a"], [[object()]])
    assert len(caplog.records) == 1
    assert "disk" in caplog.text


def test_disabled_and_unused_sessions_open_nothing(card, tmp_path):
    follow(card, tmp_path, mode="disabled")
    with tracker().session(card, tmp_path):
        pass
    assert list(tmp_path.rglob("*.wandb")) == []


def test_wandb_is_imported_at_the_first_call_only():
    code = """
import sys
from pathlib import Path
from finetune_lab.tracker.wandb import Wandb
tracker = Wandb(project="p", entity=None, mode="auto", init_timeout_seconds=1, finish_timeout_seconds=1)
tracker.check()
with tracker.session(None, Path("x")):
    pass
assert "wandb" not in sys.modules, "imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})


def test_a_key_is_found_in_the_environment_and_in_netrc(monkeypatch, tmp_path):
    assert not has_key()
    with pytest.raises(WorldError, match="WANDB_API_KEY"):
        tracker(mode="online").check()
    (tmp_path / "netrc").write_text(f"machine other.org\n login user\n password {KEY}\n")
    assert not has_key()
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai\n login user\n password {KEY}\n")
    assert has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:8080/")
    assert not has_key()
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1:8080\n login user\n password {KEY}\n")
    assert has_key()
    tracker(mode="online").check()
    (tmp_path / "netrc").write_text("machine\nnonsense nonsense")
    assert not has_key()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert has_key()


def test_wrong_knobs_are_refused():
    with pytest.raises(ValidationError) as caught:
        tracker(mode="sometimes", init_timeout_seconds=0, project="")
    assert caught.value.error_count() == 3
