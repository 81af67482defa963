"""A made-up group with everything that a report can show, and its report."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest


def _made_up(root: Path) -> Any:
    found = spec_from_file_location("report_outputs", root / "scripts" / "report_outputs.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    import sys

    sys.modules["report_outputs"] = module  # its dataclasses look themselves up there
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def made_up(root: Path) -> Any:
    """The script that writes made-up outputs."""
    return _made_up(root)


@dataclass
class Page(HTMLParser):
    """What a test reads of a report: figures, JSON, questions with their parameters, and the sentences."""

    figures: list[dict[str, str]] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)
    questions: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)
    policy: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._script = self._question = self._name = ""
        self._into = ""
        self._quiet = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        own = dict(attrs)
        if own.get("http-equiv") == "Content-Security-Policy":
            self.policy = own["content"]
        if tag == "data":
            self.figures.append(own | {"text": ""})
            self._quiet += 1
        if tag == "script":
            self._script = own.get("id", "code")
            self.scripts.setdefault(self._script, "")
        if tag == "details" and "query" in (own.get("class") or ""):
            self._question = own["id"]
            self.questions[self._question] = ("", {})
        if tag in ("dt", "dd") or (tag == "pre" and self._question):
            self._into = tag
        if tag == "p" and "said" in (own.get("class") or ""):
            self.sentences.append("")
            self._into = "p"

    def handle_endtag(self, tag: str) -> None:
        if tag == "data":
            self._quiet -= 1
        if tag == "script":
            self._script = ""
        if tag == "details":
            self._question = ""
        if tag in ("p", "pre", "dt", "dd"):
            self._into = ""

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[self._script] += data
        elif self._quiet:
            self.figures[-1]["text"] += data
        elif self._into == "p":
            self.sentences[-1] += data
        elif self._question and self._into:
            sql, parameters = self.questions[self._question]
            if self._into == "pre":
                self.questions[self._question] = (sql + data, parameters)
            elif self._into == "dt":
                self._name = data.removeprefix(":")
            else:
                parameters[self._name] = json.loads(data)


@pytest.fixture(scope="session")
def read_page() -> Callable[[Path], Page]:
    """Read a report as a program would."""

    def read(path: Path) -> Page:
        page = Page()
        page.feed(path.read_text(encoding="utf-8"))
        return page

    return read


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, compose_line: Any, made_up: Any) -> Path:
    """The outputs folder of a whole group, with its report."""
    outputs = tmp_path_factory.mktemp("study") / "outputs"
    made_up.failed(outputs)
    made_up.fill(outputs, made_up.few()).close()
    prices = 'task.prices.machine_hours=[{machine: "*EPYC*", price: 0.4}]'
    own = ["task.compare.primary=[schema/schema_valid]", "task.compare.resamples=199", "task.prices.serving_hour=0.4"]
    lab, task = compose_line("task=report", "group=study", prices, *own, outputs=outputs)
    task.execute(lab)
    lab.store.close()
    return outputs


@pytest.fixture(scope="session")
def page_of(study: Path, read_page: Callable[[Path], Page]) -> Page:
    return read_page(study / "reports" / "study" / "report.html")
