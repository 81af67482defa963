"""Families by name."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from finetune_lab.text.families import family_of, names_of


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("meta-llama/Llama-3.1-70B-Instruct", "llama"),
        ("gpt-4o-mini", "gpt"),
        ("o3-mini", "gpt"),
        ("claude-x", "claude"),
        ("Qwen/Qwen3-8B", "qwen"),
        ("google/gemma-7b-it", "gemini"),
        ("microsoft/Phi-3-mini-4k-instruct", "phi"),
        ("mistralai/Mixtral-8x7B", "mistral"),
        ("sapphire-1", "sapphire"),
        ("someone/my_model-7b", "my"),
        ("tiny", "tiny"),
    ],
)
def test_families(name, family):
    assert family_of([name]) == family


def test_the_first_name_that_tells_a_family_speaks():
    assert family_of(["run-17", "qwen3"]) == "qwen"
    assert family_of([]) == "unknown"


def test_a_model_is_called_by_the_fields_that_name_it():
    class Tiny:
        quantization = "nf4"

    assert names_of(SimpleNamespace(repo="Qwen/Qwen3-8B"))[0] == "Qwen/Qwen3-8B"
    assert names_of(SimpleNamespace(path=Path("/models/phi3")))[0] == "phi3"
    assert names_of(Tiny()) == ["tiny"]
