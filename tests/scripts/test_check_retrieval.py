"""What is said to be copied, and how alike the rest is."""

import importlib.util
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "check_retrieval", Path(__file__).parents[2] / "scripts" / "check_retrieval.py"
)
assert _spec is not None
assert _spec.loader is not None
check_retrieval = importlib.util.module_from_spec(_spec)
sys.modules["check_retrieval"] = check_retrieval
_spec.loader.exec_module(check_retrieval)


@pytest.mark.parametrize(
    ("answer", "examples", "copied", "likeness"),
    [
        ("abcd", ("xyz", "abcd "), True, 8 / 9),
        ("abcd", ("abxx", "zzzz"), False, 0.5),
        ("abcd", (), False, 0),
    ],
)
def test_an_answer_beside_its_examples(answer, examples, copied, likeness):
    looked = check_retrieval.Looked(answer=answer, examples=examples)
    assert looked.copied is copied
    assert looked.likeness == pytest.approx(likeness)
