"""A trained model in three lines of Python: by its line or by its key."""

import subprocess
import sys

import pytest

from finetune_lab import open_run
from finetune_lab.errors import ConfigError, LabError, WorldError

LINE = "method=adapter eval=[] model.quantization=none data.max_rows=20 runtime.device=cpu runtime.threads=1"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def line(execute, outputs, drawn_adapter):
    own = f"{LINE} method.path={drawn_adapter}"
    execute(*own.split(), "task=train", outputs=outputs)
    return own


def test_a_line_opens_what_it_has_trained(line, outputs):
    with open_run(line, outputs=outputs) as run:
        reply = run.generate("Tell me a story.", max_new_tokens=12)
        assert "".join(run.stream("Tell me a story.", max_new_tokens=12)) == reply.text
        replies = run.batch_generate(["Hello.", [{"role": "user", "content": "Tell me a story."}]], max_new_tokens=12)
    assert 0 < reply.num_tokens <= 12
    assert 0 < reply.first_token_seconds < reply.seconds
    assert reply.tokens_per_second == pytest.approx(reply.num_tokens / reply.seconds)
    assert replies.texts[1] == reply.text
    assert len(replies) == 2
    assert replies.tokens_per_second > 0
    assert 0 < replies.mean_latency_seconds <= replies.seconds
    with open_run(line, outputs=outputs, which="base") as base:
        assert base.generate("Tell me a story.", max_new_tokens=12).text != reply.text


def test_a_key_opens_the_run_as_it_was(line, outputs):
    with open_run(line, outputs=outputs) as one, open_run(one.artifact.key[:6], outputs=outputs) as same:
        assert same.artifact.key == one.artifact.key
        asked = {"prompt": "Tell me a story.", "max_new_tokens": 8}
        assert same.generate(**asked).text == one.generate(**asked).text


def test_what_is_missing_is_a_sentence(line, outputs, tmp_path):
    with pytest.raises(LabError, match="no run 'zzzz'"):
        open_run("zzzz", outputs=outputs)
    with pytest.raises(WorldError, match="nothing is trained"):
        open_run("method=lora model.quantization=none eval=[]", outputs=tmp_path)
    with pytest.raises(ConfigError, match="rnak"):
        open_run("method.adapter.rnak=3", outputs=outputs)


def test_the_package_itself_stays_light():
    code = "import sys, finetune_lab; finetune_lab.__version__; print('hydra' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_run_that_is_never_closed_does_not_keep_python_from_ending(line, outputs):
    code = f"from finetune_lab import open_run; run = open_run({line!r}, outputs={str(outputs)!r}); print('open')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split()[-1] == "open"
