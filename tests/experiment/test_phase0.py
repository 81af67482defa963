"""Phase 0 end to end: base and retrieval, both modes of thinking, one recommendation printed and kept."""

import json
import shutil
from io import StringIO

import pytest
from hydra import compose, initialize_config_dir

from finetune_lab.config import build
from finetune_lab.errors import ConfigError, LabError
from finetune_lab.model.tiny import ASSETS, Tiny

SMALL = (
    "data.max_rows=30",
    "data.split={train:0.6,validation:0.2,test:0.2,seed:42}",
    "decoding.max_new_tokens=8",
    "eval.schema.rows.max_rows=2",
    "eval.latency.rows.max_rows=1",
    "eval.latency.repeats=1",
    "eval.latency.warm_up=0",
    "runtime.device=cpu",
)
COMPARED = ("task=compare", "task.resamples=99")
VIABLE = "is the task viable at all? look at the answers before anything is spent"


def comparison(lab):
    return json.loads((lab.outputs / "reports" / lab.group / "comparison.json").read_text())


def test_one_line_scores_and_one_recommends(execute, capsys):
    line = ("experiment=phase0", "model.quantization=none", "eval.perplexity.rows.max_rows=4", *SMALL)
    lab = execute(*line)
    assert {"perplexity", "schema", "latency"} == set(lab.evaluators)
    capsys.readouterr()
    execute(*line, *COMPARED)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"decision all, schema/schema_valid: {VIABLE}" in shown
    assert "prompt_tokens" in shown  # cost, latency and quality in one table
    assert "first_token" in shown
    found = comparison(lab)
    [decision] = found["decisions"]
    assert (decision["outcome"], decision["facts"]) == (VIABLE, {"base": 0.0, "retrieval": 0.0})
    assert decision["beforehand"] is True
    tokens = next(row for row in found["differences"] if row["name"] == "prompt_tokens")
    assert tokens["candidate"] > tokens["reference"] + 200
    execute(*line, *COMPARED, "task.gate=true")  # viable or not, nothing speaks against fine-tuning yet
    easy = "rules.outcomes.1.when.0.0.limit=0"
    with pytest.raises(LabError, match="gate: all, schema/schema_valid: do not fine-tune: examples"):
        execute(*line, easy, *COMPARED, "task.gate=true")


def test_two_modes_of_thinking_stand_in_one_group(execute, tmp_path, capsys):
    folder = shutil.copytree(ASSETS, tmp_path / "thinker")
    template = (folder / "chat_template.jinja").read_text()
    quiet = "{%- if not enable_thinking %}{{- '<think>\\n\\n</think>\\n' }}{%- endif %}{%- endif %}"
    (folder / "chat_template.jinja").write_text(template.removesuffix("{%- endif %}") + quiet)
    line = ("experiment=phase0", "model=local", f"model.path={folder}", "model.quantization=none", *SMALL)
    for mode in ("true", "false"):
        lab = execute(*line, f"++model.template_options.enable_thinking={mode}", "eval=[schema,latency]")
    capsys.readouterr()
    execute(*line, "++model.template_options.enable_thinking=false", "eval=[schema,latency]", *COMPARED)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"decision all, schema/schema_valid: {VIABLE}" in shown
    found = comparison(lab)
    assert [arm["label"] for arm in found["arms"]] == [
        "base local enable_thinking=True",
        "base local enable_thinking=False",
        "rag local enable_thinking=True",
        "rag local enable_thinking=False",
    ]
    [decision] = found["decisions"]
    assert "the best of 2" in decision["notes"][0]
    thinking, quiet = (
        next(row["reference"] for row in found["differences"] if (row["name"], row["reference_label"]) == (
            "prompt_tokens", f"base local enable_thinking={mode}"
        ))
        for mode in (True, False)
    )  # fmt: skip
    assert quiet > thinking


def test_the_sweep_names_both_modes_and_a_model_without_that_switch_says_so(root):
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        config = compose("config", overrides=["experiment=phase0_thinking"], return_hydra_config=True)
        assert dict(config.hydra.sweeper.params) == {"++model.template_options.enable_thinking": "true,false"}
        assert (config.hydra.runtime.choices["model"], config.hydra.runtime.choices["rules"]) == ("qwen3_8b", "phase0")
        assert config.decoding.max_new_tokens == config.method.answer_tokens == 4096
        config = compose("config", overrides=["experiment=phase0", "++model.template_options.enable_thinking=true"])
    with pytest.raises(ConfigError, match=r"model\.template_options"):
        build(config, "model")


def test_people_s_ratings_decide(execute, fake_model, monkeypatch, capsys):
    monkeypatch.setattr(Tiny, "load", lambda *_: fake_model())
    monkeypatch.setattr("sys.stdin", StringIO("8\n" * 40))
    line = ("experiment=phase0", *SMALL, "rules=phase0_rating")
    execute(*line)
    execute(*line, "eval=[perplexity,schema,latency,rating]", "task=rate", "task.rater=ada", "task.plan.overlap=1")
    capsys.readouterr()
    lab = execute(*line, *COMPARED)
    shown = " ".join(capsys.readouterr().out.split())
    assert "decision all, rating/mean_rating: do not fine-tune: the base does it as it is" in shown
    assert comparison(lab)["decisions"][0]["facts"] == {"base": 8.0, "retrieval": 8.0}
