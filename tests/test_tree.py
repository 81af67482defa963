"""The page that says what every file is keeps up with the files."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_tree_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_tree", ROOT / "scripts" / "make_tree.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "tree.md").read_text() == module.page(), "run python scripts/make_tree.py"
