"""The check of the interval of people's win rates: the planted rate is what it draws."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def script(root: Path) -> Any:
    spec = importlib.util.spec_from_file_location("check_people", root / "scripts" / "check_people.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_few_surveys_find_what_was_planted(script: Any) -> None:
    case = script.Case(num_items=30, num_raters=6, share=1.0, items=1.0, raters=0.5)
    found = script.check(case, 12, 0)
    assert abs(found.mean - 0.67) < 0.08
    assert 0.5 <= found.coverage <= 1
    assert 0 < found.width < 0.6
