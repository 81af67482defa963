"""docs/knobs.md says what the classes and YAML say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_page_of_knobs_is_current():
    command = [sys.executable, "scripts/make_knobs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "run: python scripts/make_knobs.py"


def test_every_choice_is_on_the_page():
    page = (ROOT / "docs" / "knobs.md").read_text(encoding="utf-8")
    for path in (ROOT / "conf").glob("*/*.yaml"):
        assert f"### {path.parent.name}={path.stem}\n" in page
