"""Servers on the loopback interface: one that answers as W&B's does, one that stops answering, one that never did."""

import gzip
import json
import socket
import struct
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.records import RunCard

BUCKET = {"id": "B1", "name": "abc", "displayName": "x", "historyLineCount": 0, "eventsLineCount": 0}
BUCKET |= {"logLineCount": 0, "config": "{}", "summaryMetrics": "{}", "historyTail": "[]", "eventsTail": "[]"}
BUCKET |= {"tags": [], "wandbConfig": "{}", "project": {"id": "P", "name": "p", "entity": {"id": "E", "name": "me"}}}
VIEW = {"id": "Vmlldzox", "type": "runs", "name": "n", "displayName": "d", "description": "", "createdAt": "2026-01-01"}
VIEW |= {
    "project": {"id": "P", "name": "p", "entityName": "me", "internalId": "UHJvamVjdEludGVybmFsSWQ6MQ=="},
    "updatedAt": "2026-01-01",
    "user": None,
}
PROJECT = {"id": "P", "name": "p", "entityName": "me", "createdAt": "", "isBenchmark": False, "user": None}
REPLIES = {
    "RunResumeStatus": {"model": {"id": "P", "name": "p", "entity": {"id": "E", "name": "me"}, "bucket": None}},
    "UpsertBucket": {"upsertBucket": {"bucket": BUCKET, "inserted": True}},
    "": {"project": {"artifact": None}},
    "OrganizationCoreWeaveOrganizationID": {"entity": {"organization": None}},
    "Viewer": {"viewer": {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}},
}


class Server(ThreadingHTTPServer):
    """Keeps what it is sent; `hangs_after` names the operation after which it answers nothing any more."""

    daemon_threads = True

    def __init__(self, hangs_after: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hangs_after, self.hangs = hangs_after, False
        self.upserts: list[dict[str, Any]] = []
        self.files: dict[str, dict[int, str]] = {}
        self.ended: list[dict[str, Any]] = []
        self.views: list[dict[str, Any]] = []
        self.slow_views = False
        self.leave = threading.Event()
        self.known_step: int | None = None  # the last step of a run that the server has from earlier

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for _, line in sorted(self.files.get(name, {}).items())]


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.server.hangs:
            self.server.leave.wait(60)
            return
        reply: dict[str, Any] = {}
        if self.path.endswith("file_stream"):
            reply = self._file_stream(body)
        elif self.path == "/graphql":
            reply = self._graphql(body)
        text = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST  # noqa: N815 - names that the server looks for

    def _graphql(self, body: bytes) -> dict[str, Any]:
        asked = json.loads(body or b"{}")
        name = asked.get("operationName") or ""
        if name == "UpsertBucket":
            self.server.upserts.append(asked["variables"])
        if "upsertView" in asked.get("query", ""):
            if self.server.slow_views:
                self.server.leave.wait(60)
            self.server.views.append(asked["variables"])
            return {"data": {"upsertView": {"view": VIEW | {"spec": asked["variables"]["spec"]}, "inserted": True}}}
        if "query GetProjects" in asked.get("query", ""):
            last = {"endCursor": None, "hasNextPage": False}
            return {"data": {"models": {"pageInfo": last, "edges": [{"node": PROJECT}]}}}
        if "internalId" in asked.get("query", "") and "project(" in asked.get("query", ""):
            return {"data": {"project": {"internalId": "UHJvamVjdEludGVybmFsSWQ6MQ=="}}}
        if name == "RunResumeStatus" and self.server.known_step is not None:
            tail = json.dumps([json.dumps({"_step": self.server.known_step, "_runtime": 1})])
            bucket = BUCKET | {"historyLineCount": self.server.known_step, "historyTail": tail}
            bucket |= {"wandbConfig": '{"t": {"1": []}}'}  # a run that has started once
            return {"data": {"model": REPLIES[name]["model"] | {"bucket": bucket}}}
        self.server.hangs = self.server.hangs or name == self.server.hangs_after
        if name == "CreateRunFiles":
            listed = [{"name": file, "uploadUrl": f"{self.server.url}/upload"} for file in asked["variables"]["files"]]
            return {"data": {"createRunFiles": {"runID": "B1", "uploadHeaders": [], "files": listed}}}
        return {"data": REPLIES[name]} if name in REPLIES else {"errors": [{"message": "not here"}]}

    def _file_stream(self, body: bytes) -> dict[str, Any]:
        sent = json.loads(body)
        for name, part in sent.get("files", {}).items():
            for number, line in enumerate(part["content"]):
                self.server.files.setdefault(name, {})[part["offset"] + number] = line
        if sent.get("complete"):
            self.server.ended.append(sent)
        return {}

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(hangs_after: str | None = None):
    server = Server(hangs_after)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if "wandb" in sys.modules:  # the client first: it would look for the server
            sys.modules["wandb"].teardown()
        server.leave.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def server():
    with serving() as found:
        yield found


@pytest.fixture
def server_that_stops():
    with serving(hangs_after="UpsertBucket") as found:
        yield found


@pytest.fixture
def silent_port():
    """Takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield listening.getsockname()[1]


@pytest.fixture
def refusing_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it, and it refuses
        yield bound.getsockname()[1]


@pytest.fixture
def card():
    return RunCard(
        key=f"k{time.time_ns():x}"[-12:],
        base="base-b",
        label="grit",
        group="study",
        model="tiny",
        data="guide",
        method="grit",
        seed=3,
        config={"seed": 3, "method": {"rank": 8}},
    )


@pytest.fixture(autouse=True)
def no_login(monkeypatch, tmp_path):
    """No key and no settings of the person who runs the tests."""
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb_config"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "wandb_cache"))


def read_log(path: Path) -> list[Any]:
    """The records of a .wandb file: LevelDB's log format after seven bytes of header, one protocol buffer each."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, records, parts = path.read_bytes(), 7, [], b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or its last part
            records.append(Record.FromString(parts))
            parts = b""
    return records


@pytest.fixture
def records():
    def read(outputs: Path) -> list[Any]:
        sys.modules["wandb"].teardown()  # it writes what it has by then
        return [record for path in sorted(outputs.rglob("*.wandb")) for record in read_log(path)]

    return read
