"""task=calibrate: labels from a file, figures by model, what it keeps, and the mistakes that it names."""

import csv
import json

import pytest

from finetune_lab.errors import DataError

ANSWERS = {"no": "I cannot help with that.", "yes": "Sure, here you are."}


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["who", "prompt", "completion", "final_label"])
        writer.writeheader()
        for who, answer, label in rows:
            writer.writerow({"who": who, "prompt": "?", "completion": ANSWERS[answer], "final_label": label})
    return path


def kept(lab) -> dict:
    (path,) = (lab.outputs / "calibration").glob("*.json")
    return json.loads(path.read_text())


def test_every_model_is_measured_and_all_together(execute, tmp_path):
    rows = [("a", "no", "refused"), ("a", "yes", "complied"), ("b", "no", "complied"), ("b", "yes", "complied")]
    lab = execute("task=calibrate", f"task.paths=[{write(tmp_path / 'x.csv', rows)}]", "task.model=who")
    models = {one["model"]: one for one in kept(lab)["models"]}
    assert [models[name]["agreement"]["accuracy"]["value"] for name in ("a", "b", "all")] == [1.0, 0.5, 0.75]
    assert models["b"]["table"]["false_positives"] == 1
    assert models["b"]["agreement"]["sensitivity"]["value"] is None  # nothing there to be sensitive to


def test_rows_without_a_label_are_corrected_by_the_others(execute, tmp_path):
    rows = [("a", "no", "refused")] * 20 + [("a", "yes", "complied")] * 15 + [("a", "no", "complied")] * 5
    rows += [("a", "no", "")] * 40 + [("a", "yes", "")] * 60
    lab = execute("task=calibrate", f"task.paths=[{write(tmp_path / 'x.csv', rows)}]")
    (found,) = kept(lab)["models"]
    assert found["model"] == "x"
    assert found["num_unlabelled"] == 100
    assert found["raw"]["value"] == pytest.approx(0.4)
    assert found["corrected"]["value"] == pytest.approx((0.4 - 0.25) / 0.75)
    low, high = found["corrected"]["interval"].values()
    assert low < found["corrected"]["value"] < high
    assert high - low > found["raw"]["interval"]["high"] - found["raw"]["interval"]["low"]


@pytest.mark.parametrize(
    ("label", "override", "told"),
    [
        ("maybe", "task.confidence=0.9", "unknown label 'maybe'"),
        ("refused", "task.answer=text", "no column 'text'"),
        ("", "task.confidence=0.9", "no row has a label"),
    ],
)
def test_mistakes_are_named(execute, tmp_path, label, override, told):
    path = write(tmp_path / "x.csv", [("a", "no", label)])
    with pytest.raises(DataError, match=told):
        execute("task=calibrate", f"task.paths=[{path}]", override)
