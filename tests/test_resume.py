"""A run that is killed ends with the bytes and scores of one that is not: two of the ten kills of check_resume.py."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def script(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_resume", root / "scripts" / "check_resume.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_resume"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_two_kills_change_nothing(script: ModuleType, tmp_path: Path) -> None:
    kills, different = script.check(tmp_path, num_kills=2, steps=10, seed=0)
    assert [one.where for one in kills] == ["inside a checkpoint", "while the tuned model answers"]
    assert not different
    assert script.segments(tmp_path / "killed")[1] == 2
    assert script.segments(tmp_path / "first")[1] == 1


def test_a_difference_would_be_seen(script: ModuleType, tmp_path: Path) -> None:
    """The comparison itself: made by hand, equal but for what is allowed to differ, then not equal."""
    import json

    def write(name: str, *, loss: float = 1.5, text: str = "yes", repeat: bool = False) -> Path:
        run = tmp_path / name / "runs" / "qlora-tiny-k"
        (run / "adapter").mkdir(parents=True)
        (run / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
        report = {"num_steps": 2, "best_step": 2, "best_validation_loss": loss, "num_target_tokens": 9}
        report |= {
            "num_input_tokens": 20,
            "stopped": "steps",
            "wall_seconds": 2.0 if repeat else 1.0,
            "num_segments": 1,
        }
        (run / "done.json").write_text(json.dumps({"report": report}))
        lines = [{"step": 1, "metrics": {"train/loss": 2.0, "train/seconds": 1.0 + repeat}}] * (1 + repeat)
        (run / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        answers = tmp_path / name / "answers" / "q" / "k"
        answers.mkdir(parents=True)
        rows = [{"sample": "a", "text": text}, {"sample": "b", "text": "no"}]
        (answers / "answers.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in (rows[::-1] if repeat else rows))
        )
        scored = tmp_path / name / "evals" / "schema-m" / "k"
        scored.mkdir(parents=True)
        (scored / "columns.json").write_text(json.dumps({"valid": [1.0]}))
        (scored / "done.json").write_text(json.dumps({"scores": [1.0]}))
        return tmp_path / name

    first = script.results(write("first"))
    assert script.results(write("again", repeat=True)) == first
    assert script.results(write("loss", loss=1.6))["report"] != first["report"]
    assert script.results(write("text", text="yes."))["answers k"] != first["answers k"]
