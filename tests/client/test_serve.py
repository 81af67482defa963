"""One model behind `transformers serve` and in our engine: the same questions, readings and folders of replies."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from finetune_lab.client.local import Local
from finetune_lab.client.openai import OpenAI
from finetune_lab.inference.judging.pairs import Pair, judged, questions
from finetune_lab.model.tiny import ASSETS

PAIRS = [
    Pair(conversation="Name a colour.", reference="Red.", candidate="Blue is a colour."),
    Pair(conversation="What is one and one?", reference="Two.", candidate="Three."),
]


@pytest.fixture
def served(tmp_path):
    """The address of a server with the embedded model."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        pytest.skip("`transformers serve` needs fastapi and uvicorn: pip install 'transformers[serving]'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(ASSETS), "--host", "127.0.0.1"]
    with (tmp_path / "serve.log").open("w") as log:
        options = ["--port", str(port), "--device", "cpu", "--dtype", "float32"]
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, tmp_path / "serve.log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(30)


def wait_for(url, process, log):
    until = time.monotonic() + 240
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not start: {log.read_text()}")


@pytest.mark.slow
def test_a_server_and_the_engine_are_asked_read_and_kept_alike(served, lab, tmp_path):
    made = lab(
        "model.quantization=none", "model.precision=float32", "runtime.device=cpu", "runtime.judges.timeout_seconds=240"
    )
    here = Local(model=made.model, family=None, max_tokens=24, temperature=0.0)
    there = OpenAI(
        model=str(ASSETS),
        endpoint=served,
        api_key_env=None,
        family=None,
        max_tokens=24,
        temperature=0.0,
        top_logprobs=0,
        limit_field="max_tokens",
        options={},
    )
    asked = questions(PAIRS, "plain", "answer to an instruction", "- helpfulness: it helps")
    by_engine, by_server = made.ask(here, asked), made.ask(there, asked)
    texts = [[one.text.strip() for one in found.outcomes] for found in (by_engine, by_server)]
    assert texts[0] == texts[1]
    assert all(texts[0])
    engine, server = (judged(PAIRS, found.outcomes) for found in (by_engine, by_server))
    assert [(one.win, one.margins) for one in engine] == [(one.win, one.margins) for one in server]
    kept = sorted((made.outputs / "judgements").glob("*/replies.jsonl"))
    assert len(kept) == 2
    keys = [[json.loads(line)["key"] for line in path.read_text().splitlines()] for path in kept]
    assert sorted(keys[0]) == sorted(keys[1]) == sorted(one.key for one in asked)
    counts = [[one.num_input_tokens for one in found.outcomes] for found in (by_engine, by_server)]
    assert counts[0] == counts[1]
    assert made.ask(there, asked).bill["asked"] == 0
