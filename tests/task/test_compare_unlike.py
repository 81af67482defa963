"""A group as it is after a bad night, through the command line: what is alike is compared, the rest is named."""

import json
import os
import subprocess
import sys

import pytest

from finetune_lab.records import Score, Statistic

NUM = 40
GATE = ("task.gate=true", "rules=success", "rules.primary=[perplexity/passed]", "task.resamples=199")


def passed(outputs, num_passed):
    score = Score(
        name="passed", value=num_passed / NUM, higher_is_better=True, statistic=Statistic(kind="mean", of="ok")
    )
    samples = tuple(f"s{number}" for number in range(NUM))
    columns = {"ok": [float(number < num_passed) for number in range(NUM)]}
    return outputs.found(samples=samples, clusters=samples, columns=columns, scores=(score,))


def run(outputs, key, label, seed=0, **more):
    config = {"group": "study", "seed": seed, "method": {"name": label}}
    return outputs.run(key, label, seed=seed, config=config, **more)


@pytest.fixture
def study(outputs):
    """Of grit one seed is whole and one unscored; lora has failed, dora goes on, pissa is scored unlike."""
    outputs.evaluation("base-b", found=passed(outputs, 10))
    run(outputs, "aaa111", "grit")
    outputs.evaluation("aaa111", found=passed(outputs, 32))
    run(outputs, "bbb111", "grit", seed=1)
    for key in ("aaa111", "bbb111"):
        outputs.member(key)
    failed = run(outputs, "ccc111", "lora", done=False)
    (failed / "failed.json").write_text(json.dumps({"error": "no room on the disk", "time": 1.7e9 + 60}))
    run(outputs, "ddd111", "dora", done=False)
    run(outputs, "eee111", "pissa")
    outputs.member("eee111", label="pissa", measures={"perplexity": "m2"})
    outputs.evaluation("eee111", found=passed(outputs, 39), measure="m2")
    return outputs.root


def told(root, study, *line):
    environment = os.environ | {"COLUMNS": "80", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "finetune_lab", *line, "group=study", "tracker=none", f"outputs={study}"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, encoding="utf-8", timeout=240)


def test_what_is_alike_is_compared_and_the_rest_is_named(root, study):
    assert told(root, study, "task=reindex").returncode == 0
    done = told(root, study, "task=compare", *GATE)
    assert done.returncode == 0, done.stderr
    found = json.loads((study / "reports" / "study" / "comparison.json").read_text())
    [difference] = found["differences"]
    assert (difference["reference_label"], difference["candidate_label"]) == ("base", "grit")
    assert (difference["verdict"], difference["num_seeds"]) == ("better", 1)
    left_out = "; ".join(found["left_out"])
    assert "grit, run bbb111: scored under another measure, or not at all by perplexity" in left_out
    assert "lora, run ccc111: failed (no room on the disk)" in left_out
    assert "dora, run ddd111: running" in left_out
    assert "pissa under m2" in left_out
    assert max(map(len, done.stdout.splitlines())) <= max(80, len(str(study)) + 60)


def test_the_gate_refuses_with_exit_code_2(root, study, outputs):
    outputs.evaluation("aaa111", found=passed(outputs, 9))
    assert told(root, study, "task=reindex").returncode == 0
    done = told(root, study, "task=compare", *GATE)
    assert done.returncode == 2
    assert "gate: " in done.stdout + done.stderr
    assert "success, way 1: improvement > 0.2: -0.1, not met" in done.stdout
