"""Texts as vectors without a model; a model's folder is its content, and pickled weights are refused."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from finetune_lab.errors import WorldError
from finetune_lab.preparing.embedding import check_embedder, embedded, embedder_digest

TEXTS = ["the cat sat on the mat", "on the mat sat the cat", "dogs run in the park", "", "in the park dogs run"]


def test_without_a_model_rows_have_length_one_and_the_same_words_the_same_direction() -> None:
    found = embedded(TEXTS, model=None, device="cpu", width=16, seed=0)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1, 1, 0, 1])
    cosines = found @ found.T
    assert cosines[0, 1] == pytest.approx(1)
    assert cosines[2, 4] == pytest.approx(1)
    assert cosines[0, 2] < 0.5


@pytest.mark.skipif(find_spec("sentence_transformers") is None, reason="pip install .[embeddings]")
def test_a_folder_is_its_content_and_not_its_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "modules.json").write_text("[]")
        (tmp_path / name / "model.safetensors").write_bytes(b"1")
    assert embedder_digest(tmp_path / "a") == embedder_digest(tmp_path / "b")
    (tmp_path / "b" / "model.safetensors").write_bytes(b"2")
    assert embedder_digest(tmp_path / "a") != embedder_digest(tmp_path / "b")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "pytorch_model.bin").write_bytes(b"1")
    with pytest.raises(WorldError, match=r"no \.safetensors weights"):
        check_embedder(tmp_path)
