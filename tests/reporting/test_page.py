"""A report is one file that fetches nothing, and what models wrote never becomes markup."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from finetune_lab.reporting.page import ASSETS, LIBRARIES, _json


def test_scripts_that_may_run_are_those_that_stand_in_it(study: Path, page_of: Any) -> None:
    text = (study / "reports" / "study" / "report.html").read_text()
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digests = {f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts}
    allowed = set(page_of.policy.partition("script-src ")[2].partition(";")[0].split())
    assert allowed == digests
    assert page_of.policy.startswith("default-src 'none'; ")
    assert not re.search(r"unsafe-eval|https?:", page_of.policy)


def test_nothing_is_fetched(study: Path) -> None:
    text = (study / "reports" / "study" / "report.html").read_text()
    for script in re.findall(r"<script>(.*?)</script>", text, re.DOTALL):
        text = text.replace(script, "")
    assert not re.search(
        r"<(link|img|iframe|object|embed|base|form)\b|\bsrc=|url\(|@import", text.partition("<body>")[0]
    )
    assert re.findall(r'href="([^#][^"]*)"', text) == []


def test_what_models_wrote_is_no_markup(study: Path, made_up: Any) -> None:
    text = (study / "reports" / "study" / "report.html").read_text()
    assert text.count("</script>") == text.count("<script")
    for hostile in made_up.HOSTILE:
        assert hostile not in text
    assert "window.hacked" in text  # it is there, as text
    assert "\x1b" not in text
    assert "<img" not in text


def test_json_may_stand_in_a_script() -> None:
    hostile = {"a": "</script><!--<script>&\u2028"}
    assert not re.search("[<>&\u2028]", _json(hostile))
    assert json.loads(_json(hostile)) == hostile


def test_libraries_are_those_that_are_named() -> None:
    named = (ASSETS / "VENDORED.md").read_text()
    for name in LIBRARIES:
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() in named


def test_it_is_small(study: Path) -> None:
    assert (study / "reports" / "study" / "report.html").stat().st_size < 1_000_000
