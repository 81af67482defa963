"""task=report on groups that lack something: it says so, and invents nothing."""

import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import LabError


@pytest.fixture(scope="module")
def made_up(root: Path) -> Any:
    """The script that writes made-up outputs."""
    found = spec_from_file_location("report_outputs", root / "scripts" / "report_outputs.py")
    assert found is not None
    assert found.loader is not None
    module = sys.modules["report_outputs"] = module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def report(tmp_path: Path, execute: Any) -> Any:
    """Run the task on the test's outputs; gives the Markdown."""

    def run(*overrides: str) -> str:
        execute("task=report", "group=study", "task.compare.resamples=99", *overrides, outputs=tmp_path).store.close()
        return (tmp_path / "reports" / "study" / "report.md").read_text()

    return run


def test_one_run_and_no_base(tmp_path: Path, made_up: Any, report: Any) -> None:
    made_up.fill(tmp_path, made_up.few()[:1], base=False, evaluators=("schema",)).close()
    text = report()
    assert "> No recommendation: no trained arm could be compared with its base." in text
    assert "Not measured, and the line that would measure it:" in text
    assert "separation of safe and unsafe prompts by layer" in text
    assert "eval=[aqi]" in text
    assert "schema/schema\\_valid" in text  # what was scored stands there all the same
    assert "better" not in text.partition("## Results")[2].partition("## Training")[0]


def test_failed_runs_alone(tmp_path: Path, made_up: Any, report: Any) -> None:
    made_up.failed(tmp_path)
    made_up.fill(tmp_path, [], base=False, evaluators=()).close()
    text = report()
    assert "There is no comparison: group study has no trained member yet" in text
    assert "Failed runs: 1, unfinished runs: 0." in text
    assert "out of memory \\</script\\>" in text
    assert "No recommendation" in text


def test_evaluators_that_are_missing_are_named_and_nothing_is_made_up(
    tmp_path: Path, made_up: Any, report: Any
) -> None:
    made_up.fill(tmp_path, made_up.few()[:3], evaluators=("schema",)).close()
    text = report()
    for what in ("the use safety", "the use latency", "judges and their agreement", "backends side by side"):
        assert f"- {what}" in text
    assert "task=backends" in text
    assert "No price is known for the machines of these runs" in text
    assert "EUR" not in text.partition("## Limits")[0]
    assert "## Serving" not in text or "copies" not in text


def test_prices_make_money_of_measured_seconds(tmp_path: Path, made_up: Any, report: Any) -> None:
    made_up.fill(tmp_path, made_up.few()[:2], evaluators=("schema",)).close()
    price = 'task.prices.machine_hours=[{machine: "*none*", price: 9}, {machine: "*EPYC*", price: 36}]'
    text = report(price, "task.prices.value_per_point=2")
    row = next(line for line in text.splitlines() if line.startswith("| lora | 0 | EPYC"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert "100 s" in cells  # 90 + 200 × 0.05
    assert "1" in cells  # 100 s at 36 an hour


def test_a_comparison_is_made_again_only_after_newer_results(tmp_path: Path, made_up: Any, report: Any) -> None:
    made_up.fill(tmp_path, made_up.few()[:2], evaluators=("schema",)).close()
    report()
    path = tmp_path / "reports" / "study" / "comparison.json"
    kept = path.stat().st_mtime_ns
    report("task.compare.confidence=0.9")
    assert path.stat().st_mtime_ns == kept
    newer = path.stat().st_mtime + 5
    os.utime(tmp_path / "groups" / "study" / "lora0.json", (newer, newer))
    assert "90" in report("task.compare.confidence=0.9")
    assert json.loads(path.read_text())["confidence"] == 0.9


def test_rules_that_are_left_out_are_missed(tmp_path: Path, made_up: Any, report: Any, execute: Any) -> None:
    made_up.fill(tmp_path, made_up.few()[:2], evaluators=("schema",)).close()
    line = ("task=compare", "group=study", "task.resamples=99", "rules=success", "task.format=json")
    execute(*line, outputs=tmp_path).store.close()
    text = report()
    assert "The rules (not declared beforehand) say of base → lora, schema/schema" in text
    newer = (tmp_path / "reports" / "study" / "comparison.json").stat().st_mtime + 5
    os.utime(tmp_path / "groups" / "study" / "lora0.json", (newer, newer))
    assert "The comparison before this one decided by rules." in report()
    assert "The rules (" not in report()


def test_an_unknown_group_is_told(tmp_path: Path, made_up: Any, execute: Any) -> None:
    made_up.fill(tmp_path, made_up.few()[:1], evaluators=("schema",)).close()
    with pytest.raises(LabError, match=r"no group 'stdy' in the store; there are: study"):
        execute("task=report", "group=stdy", outputs=tmp_path)


def test_torch_is_not_loaded(root: Path) -> None:
    heavy = "{'torch', 'transformers', 'pandas'}"
    code = f"import sys; import finetune_lab.task.report; sys.exit(bool({heavy} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=120).returncode == 0
