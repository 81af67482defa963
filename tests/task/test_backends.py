"""What is here is measured, what is not is told with the way to get it; all of it is in the store and in a file."""

import json
import sqlite3

import pytest

from finetune_lab.errors import WorldError

pytest.importorskip("openai")
LINE = ("method=adapter", "eval=[]", "data.max_rows=20", "model.quantization=none", "runtime.device=cpu")
TASK = ("task=backends", "task.rows.max_rows=3", "task.max_new_tokens=6", "task.warm_up=0", "task.at_once=3")
LINE += ("data.split={train:0.4,validation:0.1,test:0.5,seed:42}",)
NOBODY = "task.backends.openai_compatible.client.endpoint=http://127.0.0.1:9/v1"


@pytest.fixture
def line(execute, drawn_adapter):
    own = (*LINE, f"method.path={drawn_adapter}")

    def run(*overrides):
        execute(*own, "task=train")
        return execute(*own, *TASK, *overrides)

    return run


def report(lab):
    return json.loads((lab.outputs / "reports" / lab.group / "backends.json").read_text())["backends"]


def test_what_is_here_is_measured_and_kept(line, judge_server, caplog, monkeypatch):
    caplog.set_level("INFO")
    with judge_server(answer=lambda _: "something else") as server:
        lab = line(f"task.backends.openai_compatible.client.endpoint={server.url}/v1")
        num_asked = sum(server.asked.values())
        line(f"task.backends.openai_compatible.client.endpoint={server.url}/v1")
        assert sum(server.asked.values()) == num_asked == 9  # 3 to their first token, 3 alone, 3 together; once
    found = report(lab)
    assert set(found) == {"transformers", "openai_compatible"}
    assert found["transformers"]["same_text"] == 1
    assert found["openai_compatible"]["same_text"] == 0
    assert found["transformers"]["load_seconds"] > 0
    assert found["transformers"]["peak_bytes"] is not None
    assert found["openai_compatible"]["peak_bytes"] is None
    assert all(found["transformers"][name] > 0 for name in ("first_token", "tokens_per_second", "requests_per_second"))
    told = [record.getMessage() for record in caplog.records if "llama_cpp" in record.getMessage()]
    assert any("pip install 'finetune-lab[llama_cpp]'" in one or "export@task.format=gguf" in one for one in told)
    with sqlite3.connect(lab.outputs / "lab.sqlite") as connection:
        rows = connection.execute("select distinct evaluator, subject from inference_benchmarks").fetchall()
    assert set(rows) == {(f"backend_{name}", lab.artifact.key) for name in found}


def test_a_server_that_is_not_there_is_told_and_nothing_is_an_error_only_where_all_are_missing(line, caplog):
    caplog.set_level("INFO")
    with pytest.raises(WorldError, match="no backend could be measured"):
        line(NOBODY, "~task.backends.transformers")
    told = " ".join(record.getMessage() for record in caplog.records)
    assert "no server answers at http://127.0.0.1:9/v1" in told
    assert "task=serve" in told


def test_what_a_server_refuses_is_told(line, judge_server, caplog):
    caplog.set_level("INFO")
    with judge_server(trouble=lambda _text, _try: "model") as server:
        line(f"task.backends.openai_compatible.client.endpoint={server.url}/v1")
    assert any("openai_compatible  not measured" in record.getMessage() for record in caplog.records)
