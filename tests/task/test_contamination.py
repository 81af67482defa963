"""task=contamination: counts, a report that hostile rows cannot break, and every seen row on file."""

import json
from pathlib import Path
from typing import Any

HOSTILE = "<script>alert(1)</script> | ``` # head \x1b[2J [link](http://evil.example) " + "so " * 20


def test_the_evaluators_rows_are_held_against_training(execute: Any, tmp_path: Path, capsys: Any) -> None:
    train = [{"question": f"{HOSTILE} number {n} of many", "answer": f"answer {n}"} for n in range(30)]
    asked = [train[3], {"question": "quite another thing", "answer": "yes"}]
    for name, rows in (("train", train), ("asked", asked)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lab = execute(
        *("task=contamination", "data=jsonl", f"data.path={tmp_path / 'train.jsonl'}", "eval=[perplexity]"),
        *("data.split={train: 1, validation: 0, test: 0, seed: 0}", "+data@eval.perplexity.rows.data=jsonl"),
        f"eval.perplexity.rows.data.path={tmp_path / 'asked.jsonl'}",
        "eval.perplexity.rows.data.split={train: 0, validation: 0, test: 1, seed: 0}",
    )
    (folder,) = (lab.outputs / "contamination").iterdir()
    counts = json.loads((folder / "counts.json").read_text())
    assert counts["eval perplexity"] == {"rows": 2, "same text": 1, "same prompt": 1, "near": 1, "covered": 1, "any": 1}
    (line,) = map(json.loads, (folder / "rows.jsonl").read_text().splitlines())
    assert line["kinds"] == ["same text", "same prompt", "near", "covered"]
    report = (folder / "report.md").read_text()
    assert "\x1b" not in report + capsys.readouterr().out
    for hostile in ("<script>", "# head", "http://evil.example"):
        assert all(shown.startswith("      ") for shown in report.splitlines() if hostile in shown)
