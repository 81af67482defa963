"""task=demo_page: a folder that starts by itself, offline, and writes what the engine writes; nothing becomes HTML."""

import ast
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager
from importlib.util import find_spec

import pytest

from finetune_lab.errors import ConfigError, LabError
from finetune_lab.records import Decoding

SPLIT = "data.split={train:0.4,validation:0.1,test:0.5,seed:42}"
LINE = ("method=adapter", "model.quantization=none", "eval=[]", "data.max_rows=40", SPLIT, "runtime.device=cpu")
PAGE = ("task=demo_page", "decoding.max_new_tokens=24", "task.examples=2")


@pytest.fixture
def line(execute, drawn_adapter):
    """Run a task on the drawn adapter."""

    def run(*overrides):
        own = (*LINE, f"method.path={drawn_adapter}")
        execute(*own, "task=train")
        return execute(*own, *PAGE, *overrides)

    return run


def page_of(lab):
    (folder,) = (lab.outputs / "demo_pages").glob("*/space")
    return folder


def free_port():
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def started(folder, port):
    """The page as anybody starts it: another folder, no network."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(folder / "app.py"), "--port", str(port)]
    with (
        (folder.parent / "said.txt").open("wb") as said,
        subprocess.Popen(command, cwd="/", env=environment, stdout=said, stderr=said) as process,
    ):
        try:
            for _ in range(1200):
                assert process.poll() is None, (folder.parent / "said.txt").read_text()
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.25)
            yield
        finally:
            process.terminate()


def test_the_folder_is_whole_and_says_what_it_is(line):
    lab = line()
    folder = page_of(lab)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"app.py", "README.md", "requirements.txt", "space.json", "adapter/adapter_model.safetensors"} <= files
    assert {"base/model.safetensors", "base/config.json", "tokenizer/tokenizer.json"} <= files
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pth", ".pkl", ".pickle"))]
    ast.parse((folder / "app.py").read_text())
    header = (folder / "README.md").read_text().split("---")[1]
    for due in ("sdk: gradio", "app_file: app.py", "sdk_version: "):
        assert due in header
    assert all(re.fullmatch(r"[a-z]+==[\w.]+", pin) for pin in (folder / "requirements.txt").read_text().split())
    settings = json.loads((folder / "space.json").read_text())
    assert settings["base"]["folder"] == "base"
    assert settings["base"]["trust_remote_code"] is False
    assert settings["examples"] == [row.prompt[-1]["content"] for row in lab.split("test")[:2]]
    for name in ("space.json", "README.md", "adapter/adapter_config.json"):
        assert str(lab.outputs) not in (folder / name).read_text()
    assert "finetune_lab" not in (folder / "app.py").read_text()  # it runs where this program is not installed


@pytest.mark.slow
def test_in_a_browser_both_answer_as_the_engine_does_and_nothing_is_html(line, browser, tiny_engine, drawn_adapter):
    if find_spec("gradio") is None:
        pytest.skip("pip install 'finetune-lab[people]'")
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    folder, port = page_of(line('task.title="<img src=x onerror=document.title=1>"')), free_port()
    question = "Say <b>this</b> & that."
    engine, turns = tiny_engine("none"), {"0": [{"role": "user", "content": question}]}
    greedy = Decoding(max_new_tokens=24)
    with engine.as_base() as base:
        due = [next(base.generate(turns, greedy)).text]
    with engine.with_adapter(drawn_adapter) as tuned:
        due.append(next(tuned.generate(turns, greedy)).text)
    assert due[0] != due[1]
    with started(folder, port):
        browser.get(f"http://127.0.0.1:{port}/")
        wait = WebDriverWait(browser, 120)

        def box(name):
            return browser.find_elements(By.CSS_SELECTOR, f"#{name} textarea")

        wait.until(lambda _: box("question") and box("tuned"))
        box("question")[0].send_keys(question)
        browser.find_element(By.ID, "send").click()
        wait.until(lambda _: [box(name)[0].get_attribute("value") for name in ("base", "tuned")] == due)
        assert browser.find_elements(By.CSS_SELECTOR, "img[src='x']") == []
        assert browser.title != "1"


def test_what_leaves_no_adapter_or_is_not_trained_is_told(execute):
    with pytest.raises(LabError, match="nothing is trained"):
        execute("task=demo_page", "eval=[]")
    execute("task=train", "method=base", "eval=[]", "data.max_rows=40", SPLIT)
    with pytest.raises(ConfigError, match="no adapter"):
        execute("task=demo_page", "method=base", "eval=[]", "data.max_rows=40", SPLIT)
