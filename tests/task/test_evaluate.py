"""task=evaluate: both models beside one another, and every kept checkpoint by its step."""

import json

import pytest

from finetune_lab.errors import WorldError
from finetune_lab.store.folders import owned

SHORT = (
    "data.max_rows=40",
    "data.split={train:0.6,validation:0.2,test:0.2,seed:42}",
    "method=lora",
    "model.quantization=none",
    "method.max_steps=4",
    "method.evaluate_every=2",
    "method.batch_size=2",
    "method.accumulation=1",
    "method.optimizer.learning_rate=1e-2",
    "eval=[perplexity]",
    "runtime.device=cpu",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An outputs folder with one finished run, made once for this file."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def line(execute, trained):
    execute(*SHORT, "task=train", outputs=trained)
    return lambda *overrides: execute(*SHORT, *overrides, outputs=trained)


def test_without_a_training_it_says_what_to_run(execute, tmp_path):
    with pytest.raises(WorldError, match="task=run first"):
        execute(*SHORT, "task=evaluate", "task.which=base", "task.checkpoints=all", outputs=tmp_path)


def test_every_kept_checkpoint_is_scored_by_its_step(line):
    lab = line("task=evaluate", "task.checkpoints=all")
    points = json.loads((lab.artifact.place / "scores_by_step.json").read_text())["perplexity/perplexity"]
    assert [step for step, _ in points] == [2, 4]
    scores = {row.subject: row.value for row in lab.store.scores([lab.base.key, lab.artifact.key])
              if row.name == "perplexity"}  # fmt: skip
    assert scores[lab.artifact.key] == pytest.approx(min(value for _, value in points))  # the best one is the adapter
    assert len({scores[lab.base.key], *(value for _, value in points)}) == 3


def test_the_last_one_alone(line):
    lab = line("task=evaluate", "task.which=tuned", "task.checkpoints=last")
    points = json.loads((lab.artifact.place / "scores_by_step.json").read_text())
    assert [step for step, _ in points["perplexity/bits_per_byte"]] == [4]


def test_both_models_stand_beside_one_another(line):
    lab = line("task=evaluate")
    folder = lab.evaluation_folder("perplexity", lab.artifact)
    told = json.loads((folder / "comparison_metrics.json").read_text())["scores"]["perplexity"]
    assert told["change"] == pytest.approx(told["tuned"] - told["base"])
    assert (folder / "samples_side_by_side.md").read_text().count("## ") == len(lab.split("test"))


def test_what_is_found_about_a_checkpoint_goes_with_its_run(line):
    lab = line("task=evaluate", "task.checkpoints=all")
    key = lab.artifact.key
    folders = [path.name for path in owned(lab.outputs)[key] if path.parent.parent.name == "evals"]
    assert folders == [key, f"{key}-step2", f"{key}-step4"]
    assert lab.store.scores([f"{key}-step2"])
    line("task=delete", f"task.run={key}", "task.yes=true")
    assert key not in owned(lab.outputs)
    assert not lab.store.scores([f"{key}-step2"])
