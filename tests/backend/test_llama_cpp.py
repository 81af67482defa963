"""llama.cpp in process: what is missing is told; a file is its content. Texts: inference/test_gguf_file.py."""

from importlib.util import find_spec

import pytest

from finetune_lab.backend.llama_cpp import LlamaCpp
from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import fingerprint

KNOBS = {"file": None, "context_tokens": 64, "cache": "f16", "threads": None, "gpu_layers": 0}


def test_a_file_is_known_by_its_content(tmp_path):
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(text)
    keys = [fingerprint(LlamaCpp(**KNOBS | {"file": tmp_path / name})) for name in "abc"]
    assert keys[0] == keys[1] != keys[2]


def test_what_is_missing_is_told(tmp_path):
    told = "there is no file" if find_spec("llama_cpp") else r"pip install 'finetune-lab\[llama_cpp\]'"
    with pytest.raises(WorldError, match=told):
        LlamaCpp(**KNOBS | {"file": tmp_path / "missing.gguf"}).check()
