"""Data sets through `datasets`: downloaded or streamed the same rows, from a folder or over HTTP, known by content."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from finetune_lab.errors import ConfigError, DataError, WorldError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.preparing.pipeline import read_split

ALL = "data.split={train: 1, validation: 0, test: 0, seed: 0}"
ROWS = [{"Prompt": f"q{n}", "Answer": f"a{n}" if n % 5 else "", "score": n} for n in range(20)]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder


@pytest.fixture
def source(lab: Any, copy: Path) -> Any:
    def make(*options: str) -> Any:
        line = ["data=hub_rows", "data.repo=someone/rows", f"data.folder={copy}", ALL]
        named = ["+data.rename.Prompt=prompt", "+data.rename.Answer=completion", "data.unanswered=drop"]
        return lab(*line, *named, *options).data

    return make


def test_streamed_and_downloaded_are_the_same_rows(source: Any, tmp_path: Path) -> None:
    notes, rows = [], []
    for number, streaming in enumerate(("false", "true")):
        folder = tmp_path / str(number)
        folder.mkdir()
        notes.append(source(f"data.streaming={streaming}", "data.facts=[score]").prepare(folder))
        rows.append(read_split(folder, "train"))
    assert rows[0] == rows[1]
    assert notes[0] == notes[1]
    assert len(rows[0]) == 16
    assert notes[0]["dropped"] == {"no answer": 4}
    assert rows[0][0].facts == {"score": 1}
    assert fingerprint(source()) == fingerprint(source("data.streaming=true"))


def test_only_the_first_rows(source: Any, tmp_path: Path) -> None:
    note = source("data.streaming=true", "data.max_rows=6").prepare(tmp_path)
    assert note["rows_read"] == 6 == note["splits"]["train"]["rows"] + 2
    assert fingerprint(source()) != fingerprint(source("data.max_rows=6"))


def test_one_changed_byte_is_another_data_set(source: Any, copy: Path) -> None:
    before = fingerprint(source())
    path = copy / "train.jsonl"
    path.write_bytes(path.read_bytes().replace(b"q7", b"q8", 1))
    assert fingerprint(source()) != before


def test_what_cannot_be_had_is_told(source: Any, copy: Path, tmp_path: Path, lab: Any) -> None:
    with pytest.raises(WorldError, match="copy, split 'nothing'"):
        source("data.hub_split=nothing").prepare(tmp_path)
    (copy / "train.jsonl").write_text('{"Prompt": "q", "Answer": ')
    with pytest.raises(DataError, match="copy: cannot be read"):
        source().prepare(tmp_path)
    with pytest.raises(WorldError, match=r"data\.folder: .* is no folder with files"):
        lab("data=hub_rows", "data.repo=a/b", f"data.folder={tmp_path / 'nowhere'}").data.check()
    with pytest.raises(ConfigError, match="rename gives two columns one name"):
        source("+data.rename.score=prompt")


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(tmp_path)))
    Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


HUB_INFO = {"id": "someone/rows", "sha": "0123456789abcdef" * 2 + "01234567", "siblings": [], "private": False}


def test_the_commit_and_the_rows_come_over_http(server: str, tmp_path: Path) -> None:
    """A process of its own, since the tests' is offline: a local server stands where the hub is."""
    place = tmp_path / "api" / "datasets" / "someone" / "rows" / "revision"
    place.mkdir(parents=True)
    (place / "main").write_text(json.dumps(HUB_INFO))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    rows = f"{server.replace('127.0.0.1', 'localhost')}/rows.jsonl"  # another host than the hub's
    program = (
        "import datasets\n"
        "from finetune_lab.preparing.dataset_hub import dataset_commit\n"
        "print(dataset_commit('someone/rows', 'main'))\n"
        f"rows = datasets.load_dataset('json', data_files='{rows}', split='train', streaming=True)\n"
        "print(sum(row['score'] for row in rows))\n"
    )
    online = {name: value for name, value in os.environ.items() if not name.endswith("_OFFLINE")}
    environment = online | {"HF_ENDPOINT": server, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1,localhost"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [HUB_INFO["sha"], str(sum(range(20)))], done.stderr[-2000:]
