"""The folders that the store's tests write by hand, and a lab that has only what these tasks ask for."""

import importlib.util
import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from finetune_lab.lab import Lab
from finetune_lab.store.store import Store

_spec = importlib.util.spec_from_file_location("outputs_by_hand", Path(__file__).parents[1] / "store" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_by_hand = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_by_hand)


class Recorder:
    """A tracker that writes down what it is given."""

    def __init__(self):
        self.calls, self.ends = [], []

    def check(self):
        self.calls.append(("check",))

    def session(self, card, folder):
        recorder = self

        class Session:
            def __enter__(self):
                recorder.calls.append(("session", card, folder))
                return self

            def __exit__(self, kind, *_):
                recorder.ends.append(kind is None)

            def log(self, step, metrics):
                recorder.calls.append(("log", step, dict(metrics)))

            def summarise(self, metrics):
                recorder.calls.append(("summarise", dict(metrics)))

            def table(self, name, columns, rows):
                recorder.calls.append(("table", name, tuple(columns), [list(row) for row in rows]))

            def chart(self, name, columns, rows):
                recorder.calls.append(("chart", name, tuple(columns), [list(row) for row in rows]))

            def page(self, title, lines):
                recorder.calls.append(("page", title, list(lines)))

            def files(self, name, kind, paths):
                recorder.calls.append(("files", name, kind, list(paths)))

        return Session()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def outputs(tmp_path):
    return _by_hand.Outputs(tmp_path / "outputs")


@pytest.fixture
def small_lab(outputs):
    store = Store(outputs.root / "lab.sqlite")
    yield SimpleNamespace(store=store, outputs=outputs.root, group="study", tracker=Recorder())
    store.close()


@pytest.fixture
def small_study(outputs, small_lab):
    """One run that is done, scored and answered beside its base, and one that has failed before it was scored."""
    from finetune_lab.records import Sample

    asked = Sample.of(messages=[{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Nobody."}])
    outputs.dataset(samples=(asked,))
    outputs.run("aaa111222333")
    outputs.member("aaa111222333")
    outputs.member("base-b", label="base")
    for subject, text in (("aaa111222333", "[bold]\x1b[31mme\x07"), ("base-b", "you")):
        outputs.evaluation(subject, found=outputs.found(value=4.0 if subject != "base-b" else 5.0))
        folder = outputs.answers(subject, texts=(text,))
        path = folder / "answers.jsonl"
        path.write_text(path.read_text().replace('"s0"', f'"{asked.id}"'))
    failed = outputs.run("bbb111222333", label="lora", done=False)
    (failed / "failed.json").write_text('{"error": "MemoryError: [red]9 GB", "time": 1.8e9}')
    small_lab.store.reindex(outputs.root)
    return small_lab


@pytest.fixture
def two_arms(execute, tmp_path, monkeypatch, fake_model):
    """Run lines about a base and an arm that answer eight rows differently: `two_arms("task=ab", …)`."""
    path = tmp_path / "rows.jsonl"
    rows = [{"question": f"q{n}", "answer": f"the right answer number {n} in a few words"} for n in range(8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = ["data=jsonl", f"data.path={path}", "data.split={train: 0, validation: 0, test: 1, seed: 0}", "method=base"]

    def using(lab, artifact):
        name = "tuned" if artifact.maker else "base"
        return nullcontext(fake_model(reply=lambda asked: f"<b>{name[::-1]}</b> to {asked} ${{1}} \x1b[2J"))

    monkeypatch.setattr(Lab, "using", using)

    def run(*line):
        return execute(*own, "runtime.device=cpu", *line)

    run("task=train", "eval=[]")
    return run
