"""A finished export goes to the hub as it lies there, and only where somebody says so."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from finetune_lab.errors import ConfigError, LabError, WorldError
from finetune_lab.once import NOTE

TOKEN = "hf_a-token-of-the-tests"


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a push of small files needs."""

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self._chunks()
        shown = self.headers.get("Authorization")
        self.server.seen.append((self.path, shown, body))
        if shown != f"Bearer {TOKEN}" and "validate" not in self.path:
            return self._say(401, {"error": "Invalid credentials"})
        if self.path.endswith("/repos/create"):
            return self._say(200, {"url": f"{self.server.address}/me/mine", "name": "me/mine"})
        if "/preupload/" in self.path:
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False}
                for one in json.loads(body)["files"]
            ]
            return self._say(200, {"files": files})
        if "/commit/" in self.path:
            for line in body.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    self.server.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            found = {"commitUrl": f"{self.server.address}/me/mine/commit/{'a' * 40}", "commitOid": "a" * 40}
            return self._say(200, found | {"pullRequestUrl": None, "hookOutput": ""})
        return self._say(200, {"errors": [], "warnings": []})

    def do_GET(self):
        shown = self.headers.get("Authorization")
        self.server.seen.append((self.path, shown, b""))
        if shown != f"Bearer {TOKEN}":
            return self._say(401, {"error": "Invalid credentials"})
        return self._say(200, {"id": "me/mine", "sha": "b" * 40, "siblings": [], "private": True, "tags": []})

    def _chunks(self):
        found = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        return found

    def _say(self, status, body):
        told = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.seen, server.files = [], {}
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


LINE = ("method=adapter", "eval=[]", "task=publish", "task.repository=me/mine")


@pytest.fixture
def publish(execute, compose_line, tmp_path, drawn_adapter, hub):
    """Run the task on an export that lies there already."""
    from finetune_lab.task.export import export_folder

    line = (*LINE, f"method.path={drawn_adapter}", f"task.endpoint={hub.address}")
    lab, task = compose_line(*line, outputs=tmp_path / "outputs")
    folder = export_folder(lab, task.format)

    def run(*overrides, files=("README.md", "model.safetensors")):
        if files:
            folder.mkdir(parents=True, exist_ok=True)
            for name in (*files, NOTE):
                (folder / name).write_text("---\nlicense: mit\n---\n" if name == "README.md" else '{"kind": "export"}')
        execute(*line, *overrides)

    return run


def test_everything_but_the_note_is_pushed_privately(publish, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    publish()
    assert set(hub.files) == {"README.md", "model.safetensors"}
    (created,) = [json.loads(body) for path, _, body in hub.seen if path.endswith("/repos/create")]
    assert created.get("visibility", "private" if created.get("private") else "public") == "private"
    assert f"{created['organization']}/{created['name']}" == "me/mine"


def test_without_an_export_nothing_is_sent(publish, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(WorldError, match="task=export first"):
        publish(files=())
    assert hub.seen == []


def test_a_token_is_needed_by_name_and_is_never_told(publish, hub, monkeypatch):
    monkeypatch.delenv("MY_TOKEN", raising=False)
    with pytest.raises(WorldError, match="MY_TOKEN is not set"):
        publish("task.token_env=MY_TOKEN")
    assert hub.seen == []
    monkeypatch.setenv("MY_TOKEN", "hf_wrong")
    with pytest.raises(WorldError, match="could not be pushed") as caught:
        publish("task.token_env=MY_TOKEN")
    assert "hf_wrong" not in str(caught.value)
    with pytest.raises(ConfigError, match="NAME of an environment variable"):
        publish(f"task.token_env={TOKEN}")


def test_a_name_that_no_hub_takes_is_the_user_s_mistake(publish, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(LabError, match=r"repository"):
        publish("task.repository='a/b/c'")
