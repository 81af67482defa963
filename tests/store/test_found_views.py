"""The views of separation, states, speed and cost hold what the evaluators themselves say."""

import json

import numpy as np
import pytest
import torch

from finetune_lab.checks.hardware import hardware
from finetune_lab.eval import aqi_figures
from finetune_lab.protocols import Subject
from finetune_lab.records import Artifact, Sample

KEY, BASE = "aaa111", "base-b"


class Split:
    """A model whose last layers hold unsafe prompts apart from safe ones, by `shift`."""

    def __init__(self, shift):
        self.shift = shift

    def hidden(self, prompts, pooling):
        found = torch.empty(len(prompts), 3, 6)
        for place, turns in enumerate(prompts.values()):
            draw = np.random.default_rng(list(turns[-1]["content"].encode()))
            found[place] = torch.from_numpy(draw.normal(size=(3, 6)))
            found[place, 1:, 0] += self.shift * turns[-1]["content"].startswith("unsafe")
        return found


def labelled(number):
    label = ("safe", "unsafe")[number % 2]
    turns = ({"role": "user", "content": f"{label} question {number:03d}"},)
    return Sample.of(messages=turns, facts={"label": label, "topic": "tea", "source": "here"})


@pytest.fixture
def evaluate(lab, outputs, tmp_path):
    """Let an evaluator of the configuration score a model, and leave what it found as the lab does."""

    def scored(name, model, rows, subject=KEY, *overrides):
        evaluator = lab(f"eval=[{name}]", *overrides).evaluators[name]
        folder = tmp_path / f"{name}-{subject}"
        folder.mkdir()
        given = {"artifact": Artifact(key=subject, label="x"), "rows": tuple(rows), "folder": folder}
        asked = Subject(**given, model=lambda: model, answers=lambda _: (), evaluation=lambda _: folder)
        outputs.evaluation(subject, found=evaluator.evaluate(asked), measure=f"m-{name}", evaluator=name)

    return scored


@pytest.fixture
def ask(store, outputs):
    def answered(query):
        store.reindex(outputs.root)
        with store._database.reading() as connection:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    return answered


def test_separation_stands_beside_the_bases_and_states_layer_by_layer(outputs, evaluate, ask, monkeypatch):
    monkeypatch.setattr(aqi_figures, "can_draw", lambda: False)
    outputs.run(KEY)
    rows = [labelled(number) for number in range(48)]
    evaluate("aqi", Split(3.0), rows, KEY, "eval.aqi.permutations=19")
    evaluate("aqi", Split(0.0), rows, BASE, "eval.aqi.permutations=19")
    [tuned] = ask(f"select * from aqi_scores where subject = '{KEY}' and name = 'delta_squared'")
    [base] = ask(f"select * from aqi_scores where subject = '{BASE}' and name = 'delta_squared'")
    assert (tuned["label"], tuned["seed"], tuned["base_value"]) == ("grit", 3, base["value"])
    assert tuned["value"] > base["value"]
    assert (base["label"], base["base_value"], tuned["permutations"]) == ("base", None, 19)
    layers = ask(f"select * from hidden_states where subject = '{KEY}' order by layer")
    assert [row["layer"] for row in layers] == [0, 1, 2]
    assert layers[tuned["layer"]]["delta_squared"] == pytest.approx(tuned["value"])
    assert layers[0]["file"] == f"evals/aqi-m-aqi/{KEY}/embeddings.safetensors"


def test_speed_is_of_a_machine(outputs, evaluate, ask, fake_model):
    outputs.run(KEY)
    evaluate("latency", fake_model(), [labelled(0)])
    found = {one["name"]: one for one in ask("select * from inference_benchmarks")}
    assert set(found) == {"answer", "first_token", "prompt_tokens", "tokens_per_second"}
    assert found["first_token"]["value"] > 0
    assert (found["first_token"]["label"], found["first_token"]["num_prompts"]) == ("grit", 1)
    assert found["first_token"]["machine"] == hardware()


def test_costs_are_added_up_and_unknown_ones_stay_unknown(outputs, ask):
    folder = outputs.run(KEY)
    note = json.loads((folder / "done.json").read_text())
    outputs.note(folder, **note | {"report": {"wall_seconds": 8.0, "num_input_tokens": 40, "adapter_bytes": 5}})
    outputs.run("bbb111", "lora", done=False)
    outputs.answers(KEY)
    outputs.answers(KEY, key="q2")
    outputs.evaluation(KEY, found=outputs.found(counts={"bill": {"money": 0.25, "input_tokens": 9}}))
    outputs.evaluation(KEY, found=outputs.found(counts={"bill": {"money": "unknown"}}), measure="m2")
    one, other = ask("select * from cost_analysis order by label")
    seconds = [one[f"{name}_seconds"] for name in ("training", "answering", "evaluation")]
    assert seconds == [8.0, 3.0, 4.0]
    assert (one["tokens_per_second"], one["answer_tokens"], one["judging_money"]) == (5.0, 8, 0.25)
    assert (other["training_seconds"], other["judging_money"]) == (None, None)
