"""A GGUF export that another program converts: known by what that program is, and told where it fails."""

import pytest

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import fingerprint

pytest.importorskip("gguf")
LINE = ("task=export", "export@task.format=gguf", "eval=[]", "method=adapter", "data.max_rows=20")


def converter(folder, text):
    folder.mkdir()
    (folder / "convert.py").write_text(text)
    return f"task.format.converter={folder / 'convert.py'}"


def test_a_converter_is_known_by_its_content(compose_line, tmp_path):
    keys = [
        fingerprint(
            compose_line(*LINE, "method.path=none", converter(tmp_path / name, text), outputs=tmp_path)[1].format
        )
        for name, text in (("a", "1"), ("b", "1"), ("c", "2"))
    ]
    assert keys[0] == keys[1] != keys[2]


def test_a_converter_that_fails_is_quoted_and_nothing_is_left(execute, tmp_path, drawn_adapter):
    fails = converter(tmp_path / "a", "import sys; sys.exit('this model is not supported')")
    line = (*LINE, f"method.path={drawn_adapter}", "model.quantization=none", "runtime.device=cpu")
    lab = execute(*line[2:], "task=train")
    with pytest.raises(WorldError, match="this model is not supported"):
        execute(*line, fails)
    assert not [path for path in (lab.outputs / "exports").rglob("*") if path.is_file() and ".locks" not in path.parts]


def test_a_converter_that_is_not_there_is_told(execute, tmp_path, drawn_adapter):
    line = (*LINE, f"method.path={drawn_adapter}", "model.quantization=none", "runtime.device=cpu")
    execute(*line[2:], "task=train")
    with pytest.raises(WorldError, match="there is no file"):
        execute(*line, f"task.format.converter={tmp_path / 'nothing.py'}")
