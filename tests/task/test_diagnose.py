"""task=diagnose over stores built by hand: each symptom, combinations of them, and the lines that it proposes."""

import json
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from finetune_lab.config import build
from finetune_lab.errors import ConfigError, LabError
from finetune_lab.records import Evaluation, Score, Statistic
from finetune_lab.store.folders import append_json_line, write_evaluation
from finetune_lab.text.overrides import command_line

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
PARTS = ("model", "data", "method", "eval", "seed")  # of a config that a run keeps
HEALTHY_LOSSES = {"train": [2.0, 1.2, 0.8, 0.6, 0.5, 0.45, 0.42, 0.41, 0.4, 0.4], "validation": [0.7, 0.5, 0.45, 0.445]}
REPORT = {"num_steps": 100, "best_step": 100, "final_training_loss": 0.4, "stopped": "steps"}
SCORES = {
    "perplexity": {"perplexity": (4.0, 2.0, False)},
    "schema": {"schema_valid": (0.1, 0.8, True), "ended_by_itself": (0.9, 0.99, True)},
    "text": {"distinct_2": (0.8, 0.7, True), "rougeL": (10.0, 30.0, True)},
}


@cache
def composed(*overrides: str) -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def kept(*overrides: str) -> dict[str, Any]:
    """The config as a run keeps it: resolved, and only the parts that are its own."""
    whole: Any = OmegaConf.to_container(composed(*overrides), resolve=True)
    return {name: whole[name] for name in PARTS if name in whole}


class World:
    """An outputs folder with a store, and a lab that has only what the task asks for."""

    def __init__(self, outputs: Any, store: Any) -> None:
        self.outputs, self.store = outputs, store
        self.lab = SimpleNamespace(store=store, group="study", outputs=outputs.root)

    def run(self, *overrides: str, key: str = "aaa111", done: bool = True, **changed: Any) -> None:
        """A run with healthy curves and scores, but for what is `changed`: train, validation, gradients, report."""
        config = kept(*overrides)
        names = dict(one.split("=", 1) for one in overrides if one.split("=")[0] in ("model", "data", "method"))
        about = {"model": "tiny", "data": "pocketguide", "method": "qlora"} | names
        report = REPORT | changed.get("report", {})
        card = {"config": config, "seed": config["seed"], "report": report, **about}
        folder = self.outputs.run(key, "arm", done=done, **card)
        if done:
            note = json.loads((folder / "done.json").read_text()) | {"report": report}
            (folder / "done.json").write_text(json.dumps(note))
        (folder / "curve.jsonl").unlink()
        self._curve(folder, {"train": HEALTHY_LOSSES["train"], "validation": HEALTHY_LOSSES["validation"]} | changed)
        self.store.index_run(folder)

    def _curve(self, folder: Path, changed: dict[str, Any]) -> None:
        gradients = changed.get("gradients", [1.0] * 10)
        curves = {"train/loss": changed["train"], "train/gradient_norm": gradients}
        curves |= {"validation/loss": changed["validation"]}
        for name, values in curves.items():
            for number, value in enumerate(values, start=1):
                row = {"step": 100 * number // len(values), "time": 1.0, "metrics": {name: value}}
                append_json_line(folder / "curve.jsonl", row)

    def score(self, key: str = "aaa111", leave: tuple[str, ...] = (), **changed: tuple[float, float]) -> None:
        """Evaluations of the run and its base: (base, tuned) by the name of the score."""
        for evaluator, scores in SCORES.items():
            if evaluator in leave:
                continue
            values = {name: (*changed.get(name, given[:2]), given[2]) for name, given in scores.items()}
            for place, subject in enumerate(("base-b", key)):
                found = [(name, value[place], value[2]) for name, value in values.items()]
                self._evaluation(evaluator, subject, found)
        measures = {name: f"m-{name}" for name in SCORES if name not in leave}
        self.store.index_membership(self.outputs.member(key, measures=measures))

    def _evaluation(self, evaluator: str, subject: str, found: list[Any]) -> None:
        folder = self.outputs.root / "evals" / f"{evaluator}-m-{evaluator}" / subject
        folder.mkdir(parents=True)
        statistic = Statistic(kind="mean", of="x")
        scores = [Score(name=n, value=v, higher_is_better=up, statistic=statistic) for n, v, up in found]
        made = Evaluation(samples=("s",), clusters=("s",), columns={"x": [1.0]}, scores=tuple(scores))
        whose = {"kind": "evaluation", "evaluator": evaluator, "measure": f"m-{evaluator}", "subject": subject}
        self.outputs.note(folder, **whose, **write_evaluation(folder, made), seconds=1.0)
        self.store.index_evaluation(folder)

    def diagnose(self, *overrides: str) -> list[dict[str, Any]]:
        build(composed("task=diagnose", *overrides), "task").execute(self.lab)
        report = json.loads((self.outputs.root / "reports" / "study" / "diagnosis.json").read_text())
        return report["runs"]


@pytest.fixture
def world(outputs, small_lab) -> World:
    return World(outputs, small_lab.store)


def changes(found: dict[str, Any]) -> dict[str, float]:
    return {one["path"]: one["new"] for proposal in found["proposals"] for one in proposal["changes"]}


def assert_lines_build(found: dict[str, Any], *overrides: str) -> None:
    """Every line composes, builds, and differs from the run in its own changes alone."""
    assert found["no_lines"] is None
    assert found["proposals"]
    started = composed(*overrides)
    for proposal in found["proposals"]:
        words = shlex.split(command_line("python", proposal["overrides"], 80).replace("\\\n", " "))
        assert words[1:] == proposal["overrides"]
        line = composed(*words[1:])
        build(line, "model", "data", "method", *(f"eval.{name}" for name in line.get("eval", ())))
        due: Any = OmegaConf.create(OmegaConf.to_container(started))
        for change in proposal["changes"]:
            OmegaConf.update(due, change["path"], change["new"], force_add=True)
        for name in PARTS:
            assert resolved(line).get(name) == resolved(due).get(name)
        assert line.group == "study"


def resolved(config: Any) -> Any:
    return OmegaConf.to_container(config, resolve=True)


SYMPTOMS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, float]]] = {
    "learning_rate_too_high": (
        {"train": [2.0, *[0.5] * 6, *[1.0] * 6, 0.9]},
        {},
        {"method.optimizer.learning_rate": 1e-4},
    ),
    "overfitting": (
        {"validation": [0.6, 0.5, 0.6, 0.8]},
        {},
        {"method.epochs": 1, "method.adapter.rank": 8, "method.adapter.alpha": 16, "method.adapter.dropout": 0.15},
    ),
    "possible_forgetting": (
        {"train": [1.0, *[0.05] * 9], "validation": [0.3, 0.2, 0.1, 0.1]},
        {},
        {"method.epochs": 1, "method.max_steps": 83, "method.optimizer.learning_rate": 1e-4},
    ),
    "stopped_at_first_evaluation": (
        {"validation": [0.5, 0.51, 0.5, 0.52], "report": {"stopped": "early", "best_step": 25}},
        {},
        {"method.optimizer.learning_rate": 1e-4, "method.evaluate_every": 25},
    ),
    "underfitting": (
        {"train": [2.0, *[1.2] * 9], "validation": [1.3, 1.25, 1.22, 1.22]},
        {},
        {"method.optimizer.learning_rate": 3e-4, "method.adapter.rank": 32, "method.adapter.alpha": 64},
    ),
    "never_converged": ({"validation": [0.9, 0.8, 0.7, 0.6]}, {}, {"method.epochs": 6, "method.max_steps": 500}),
    "end_token_not_learned": ({}, {"ended_by_itself": (0.2, 0.4)}, {"decoding.max_new_tokens": 1024}),
    "style_drift": ({}, {"distinct_2": (0.8, 0.3)}, {"decoding.temperature": 0.8, "method.epochs": 1}),
    "plateau": ({"validation": [0.7, 0.6, *[0.45] * 10]}, {}, {"method.optimizer.learning_rate": 3e-4}),
    "insufficient_improvement": ({}, {"rougeL": (10.0, 11.0)}, {"method.adapter.rank": 32}),
}


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_each_symptom_alone_is_found_with_its_moves(world, symptom, capsys):
    curves, scores, due = SYMPTOMS[symptom]
    world.run(**curves)
    world.score(**scores)
    [found] = world.diagnose()
    assert found["symptoms"] == [symptom]
    assert due.items() <= changes(found).items()
    assert_lines_build(found)
    shown = capsys.readouterr().out
    assert f"found: {symptom.replace('_', ' ')}" in shown
    assert max(map(len, shown.replace(str(world.outputs.root), "").splitlines())) <= 80


def test_a_healthy_run_says_so_and_proposes_nothing(world, capsys):
    world.run()
    world.score()
    [found] = world.diagnose()
    assert found["symptoms"] == []
    assert found["proposals"] == []
    shown = capsys.readouterr().out
    assert "healthy as far as was checked: none of" in shown
    assert "python -m finetune_lab" not in shown


def test_what_could_not_be_checked_is_listed_and_not_fine(world, capsys):
    world.run()
    world.score(leave=("text", "schema"))
    [found] = world.diagnose()
    unknown = {name.partition(":")[0]: why for name, why in found["unknown"].items()}
    assert set(unknown) == {"style_drift", "end_token_not_learned", "plateau"}
    assert "10 needed" in unknown["plateau"]
    assert "not checked, which is not fine" in capsys.readouterr().out
    assert all(one["found"] is None for one in found["findings"] if one["symptom"] in unknown)


def test_a_run_that_has_nothing_yet_is_neither_healthy_nor_ill(world, capsys):
    world.run(done=False, train=[], validation=[], gradients=[])
    [found] = world.diagnose()
    assert all(one["found"] is None for one in found["findings"])
    assert "nothing could be checked" in capsys.readouterr().out


def test_numbers_that_are_not_finite_and_spikes_are_a_rate_too_high(world):
    world.run(key="a1", train=[2.0, 1.0, float("nan")])
    world.run(key="b2", gradients=[1.0] * 6 + [50.0] + [1.0] * 3)
    for found in world.diagnose():
        assert found["symptoms"] == ["learning_rate_too_high"]
    nan = {name.partition(":")[0] for name in world.diagnose("task.run=a1")[0]["unknown"]}
    assert {"overfitting", "underfitting", "possible_forgetting"} <= nan


def test_a_high_gradient_at_the_start_is_no_spike(world):
    world.run(gradients=[90.0, 30.0, 10.0, *[1.0] * 7])
    world.score()
    assert world.diagnose()[0]["symptoms"] == []


def test_moves_are_relative_to_the_runs_own_values(world):
    """What stands there already is not proposed; a run far from the usual values is scaled."""
    own = ["method.optimizer.learning_rate=7e-3", "method.adapter.rank=64", "method.adapter.alpha=64"]
    own += ["method.epochs=1", "method.adapter.dropout=0.15"]
    world.run(*own, train=[2.0, *[0.5] * 6, *[1.0] * 6, 0.9], validation=[0.9, 1.1, 1.3, 1.5])
    world.score()
    [found] = world.diagnose()
    assert found["symptoms"] == ["learning_rate_too_high", "overfitting"]
    assert changes(found) == {
        "method.optimizer.learning_rate": 0.0023,
        "method.adapter.rank": 32,
        "method.adapter.alpha": 32,
    }
    assert any("method.epochs is 1 already" in line for line in found["withheld"])
    assert any("method.adapter.dropout is 0.15 already" in line for line in found["withheld"])
    assert_lines_build(found, *own)


def test_symptoms_that_pull_one_knob_apart_are_settled_and_said(world):
    world.run(train=[2.0, *[1.2] * 9], validation=[2.0, 1.9, 1.8, 1.7])
    world.score(perplexity=(4.0, 3.9))
    [found] = world.diagnose()
    assert found["symptoms"] == ["overfitting", "underfitting", "never_converged", "insufficient_improvement"]
    assert changes(found)["method.adapter.rank"] == 8
    assert changes(found)["method.optimizer.learning_rate"] == 3e-4
    assert any(line.startswith("rank up, for underfitting: overfitting") for line in found["withheld"])
    assert_lines_build(found)


def test_more_rows_where_the_config_limits_them_and_words_where_not(world):
    world.run("data.max_rows=200", key="a1", validation=[0.6, 0.5, 0.6, 0.8])
    world.run(key="b2", validation=[0.6, 0.5, 0.6, 0.8])
    limited, whole = world.diagnose()
    assert changes(limited)["data.max_rows"] == 400
    assert "data.max_rows" not in changes(whole)
    assert any("more training rows" in line for line in whole["advice"])


STARTS = {
    "another method": ["method=grit", "method.optimizer.trust=0.5"],
    "another optimizer": ["method=lora", "optimizer@method.optimizer=grit", "model.quantization=none", "seed=3"],
    "other evaluators": ["eval=[text,perplexity,safety]", "eval.perplexity.mode=full", "eval.text.rouge=[]"],
    "one decoding": ["decoding.max_new_tokens=400", "decoding.temperature=0.3"],
    "no evaluator": ["eval=[]"],
    "other rows": ["+data@eval.schema.rows.data=suite", "eval.perplexity.rows.max_rows=20"],
    "other prompts": ["eval=[aqi]", "data@eval.aqi.rows.data=labelled", "eval.aqi.rows.data.path=prompts.csv"],
    "paths": ["data=jsonl", 'data.path="/some folder/it\'s (1), or: {2}.jsonl"', "data.facts=[a,'null']"],
    "options": ["model=qwen3_8b", "+model.template_options.depth=2", "~model.template_options.enable_thinking"],
    "experiment": ["experiment=demo", "group=default"],
}


@pytest.mark.parametrize("name", STARTS)
def test_a_line_names_what_the_run_started_from(world, name):
    world.run(*STARTS[name], validation=[0.6, 0.5, 0.6, 0.8])
    [found] = world.diagnose()
    assert found["symptoms"][0] == "overfitting"
    assert_lines_build(found, *STARTS[name])


def test_evaluators_with_decodings_of_their_own_keep_them(world):
    config = kept("eval=[schema,text,safety]")
    config["eval"]["text"]["decoding"]["temperature"] = 0.9
    folder = world.outputs.run("aaa111", "arm", config=config, data="pocketguide", method="qlora")
    note = json.loads((folder / "done.json").read_text()) | {"report": REPORT}
    (folder / "done.json").write_text(json.dumps(note))
    world.store.index_run(folder)
    [found] = world.diagnose()
    lines = [composed(*one["overrides"]) for one in found["proposals"]]
    assert lines
    for line in lines:
        assert line.eval.text.decoding.temperature == 0.9
        assert line.eval.schema.decoding.temperature == 0.0


def test_a_run_whose_files_are_gone_gets_moves_without_lines(world, capsys):
    world.run("method=qlora", validation=[0.6, 0.5, 0.6, 0.8])
    for path in world.outputs.root.glob("runs/*/*.json"):
        path.write_text(path.read_text().replace('"method": "qlora"', '"method": "mine"'))
        world.store.index_run(path.parent)
    [found] = world.diagnose()
    assert "there is no method 'mine'" in found["no_lines"]
    assert changes(found)["method.adapter.rank"] == 8
    assert "no command lines: there is no method" in capsys.readouterr().out


def test_one_run_by_its_key_and_a_group_without_runs(world):
    world.run(key="a1")
    world.run(key="b2")
    assert [found["key"] for found in world.diagnose("task.run=b2")] == ["b2"]
    assert len(world.diagnose()) == 2
    world.lab.group = "nobody"
    with pytest.raises(LabError, match="no runs in group 'nobody'"):
        world.diagnose()


def test_remedies_that_name_what_is_not_there_are_refused():
    with pytest.raises(ConfigError, match="colour"):
        build(composed("task=diagnose", "+task.remedies.plateau.colour=up"), "task")
    with pytest.raises(ConfigError, match="boredom"):
        build(composed("task=diagnose", "+task.remedies.boredom={rank: up}"), "task")


def test_no_line_of_it_loads_torch():
    code = (
        "import sys, finetune_lab.task.diagnose; print(sorted({'torch', 'transformers', 'wandb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_limits_are_those_that_were_asked_for():
    limits = yaml.safe_load((CONF / "task" / "diagnose.yaml").read_text())["limits"]
    due = {"gap": 0.3, "high_loss": 1.0, "low_loss": 0.1, "plateau": 0.01, "plateau_window": 10}
    assert due | {"diversity": 0.5, "improvement": 0.15} == {
        name: limits[name] for name in (*due, "diversity", "improvement")
    }
