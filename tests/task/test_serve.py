"""task=serve as a process: loopback or a key, killed and started again, and a clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from finetune_lab.errors import ConfigError, WorldError

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
LINE = ("task=serve", "method=lora", "model.quantization=none", "eval=[]", "data.max_rows=20", "runtime.device=cpu")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_bound_wider_it_needs_a_key(compose_line, tmp_path, host):
    with pytest.raises(ConfigError, match=r"task\.api_key_env=NAME"):
        compose_line(*LINE, f"task.host='{host}'", outputs=tmp_path)
    compose_line(*LINE, f"task.host='{host}'", "task.api_key_env=SERVER_KEY", outputs=tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_none(compose_line, tmp_path, host):
    compose_line(*LINE, f"task.host='{host}'", outputs=tmp_path)


def test_a_key_that_is_not_set_and_a_port_that_is_taken_are_told(execute, monkeypatch):
    monkeypatch.delenv("SERVER_KEY", raising=False)
    with pytest.raises(WorldError, match="SERVER_KEY is not set"):
        execute(*LINE, "task.api_key_env=SERVER_KEY")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(WorldError, match="cannot listen"):
        execute(*LINE, f"task.port={taken.getsockname()[1]}")


def test_adapters_must_be_there(execute, tmp_path):
    with pytest.raises(WorldError, match="no folder in PEFT's form"):
        execute(*LINE, f"+task.adapters.mine={tmp_path}")


def test_killed_started_again_and_ended(tmp_path, drawn_adapter):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = [*LINE, f"task.port={port}", f"+task.adapters.mine={drawn_adapter}", f"outputs={tmp_path}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start():
        server = subprocess.Popen(
            [sys.executable, "-m", "finetune_lab", *line], stdout=subprocess.PIPE, env=environment
        )
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return server
            except OSError:
                assert server.poll() is None
                time.sleep(0.1)
        raise AssertionError("it does not listen")

    first = start()
    answer = ask(port)
    first.kill()
    first.wait()
    second = start()
    assert ask(port) == answer
    second.send_signal(signal.SIGTERM)
    told, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    assert told.decode().rstrip().endswith("stopped")
    assert f"http://127.0.0.1:{port}/v1" in told.decode()


def ask(port):
    body = {"model": "mine", "messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 8}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.loads(reply.read())["choices"][0]["message"]["content"]
