"""The evaluator aqi: states as the model has them, one layer at a time, controls, clear errors."""

import csv
import json
import tracemalloc

import numpy as np
import pytest
import torch

from finetune_lab.errors import ConfigError, DataError
from finetune_lab.eval import aqi_figures
from finetune_lab.inference.state_file import read_states
from finetune_lab.inference.states import ROWS_AT_ONCE, attention, pool_of, write_states
from finetune_lab.maths.separation import spread
from finetune_lab.protocols import Subject
from finetune_lab.records import Artifact, Sample
from finetune_lab.store.folders import read_evaluation

TOPICS, SOURCES = ("tea", "dogs", "paint"), ("here", "there")


class Planted:
    """States made by hand: noise of its own for every prompt, and in the later layers a shift of the unsafe ones.

    `effect` is the shift of one of 12 dimensions; `seed` makes another model of the same prompts.
    """

    width, num_layers = 12, 4

    def __init__(self, effect=3.0, seed=0):
        self.effect, self.seed, self.most_rows = effect, seed, 0

    def hidden(self, prompts, pooling):
        self.most_rows = max(self.most_rows, len(prompts))
        found = torch.empty(len(prompts), self.num_layers, self.width)
        for row, turns in enumerate(prompts.values()):
            asked = turns[-1]["content"]
            key = int.from_bytes(asked.encode()[-8:].rjust(8, b"0"), "big") % 2**31
            own = np.random.default_rng([key, 0]).normal(size=(self.num_layers, self.width))
            own = own + 0.5 * np.random.default_rng([key, self.seed + 1]).normal(size=own.shape)
            own[2:, 0] += self.effect * ("never" in asked)
            found[row] = torch.from_numpy(own).float()
        return found


@pytest.fixture
def evaluator(lab):
    def make(*overrides):
        return lab("eval=[aqi]", "eval.aqi.permutations=99", *overrides).evaluators["aqi"]

    return make


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    """Drawing takes most of the time of an evaluation this small; one test draws."""
    monkeypatch.setattr(aqi_figures, "can_draw", lambda: False)


@pytest.fixture
def subject(tmp_path):
    def make(model, rows, name="evaluation"):
        folder = tmp_path / name
        folder.mkdir()
        return Subject(
            artifact=Artifact(key="a", label="base"),
            rows=tuple(rows),
            folder=folder,
            model=lambda: model,
            answers=list,
            evaluation=lambda name: folder,
        )

    return make


def labelled(num, **facts):
    """`num` prompts, every other unsafe ("never"), over three topics, two sources and four lengths."""
    rows = []
    for number in range(num):
        unsafe = number % 2 == 1
        text = f"{'never' if unsafe else 'often'} {'so ' * (number // 2 % 4)}{number:06d}"
        own = {
            "label": "unsafe" if unsafe else "safe",
            "topic": TOPICS[number // 2 % 3],
            "source": SOURCES[number // 6 % 2],
        }
        rows.append(Sample.of(messages=[{"role": "user", "content": text}], facts=own | facts))
    return rows


def table(folder, name):
    with (folder / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def values(evaluation):
    return {score.name: score.value for score in evaluation.scores}


def test_a_planted_effect_is_found_where_it_is_and_nowhere_else(evaluator, subject):
    found = evaluator().evaluate(subject(Planted(), labelled(120)))
    layers = found.counts["layers"]
    truth = 9 / 1.25 / 12  # the shift squared over the noise's variance, in one of twelve dimensions
    assert values(found)["delta_squared"] == pytest.approx(truth, abs=0.15)
    assert layers[3]["low"] < truth < layers[3]["high"]
    assert all(layers[number]["low"] < 0 < layers[number]["high"] for number in (0, 1))
    assert found.counts["p_value"] == pytest.approx(0.01)
    assert layers[1]["p_value"] > 0.05
    assert values(found)["probe_auroc"] > 0.9
    assert layers[1]["probe_auroc"] < 0.7
    assert [(control["name"], control["num"] > 0) for control in found.counts["controls"]] == [
        ("layer 3", True),
        ("embeddings", True),
        ("length", True),
        ("TF-IDF", True),
        ("same source", True),
        ("contrast pairs", False),
    ]
    assert found.counts["layer"] == 3
    assert "not alignment" in found.counts["note"]


def test_scores_and_columns_say_what_they_are(evaluator, subject):
    rows = labelled(60)
    found = evaluator().evaluate(subject(Planted(), rows))
    assert list(values(found)) == ["delta_squared", "aqi", "xie_beni", "calinski_harabasz", "probe_auroc", "silhouette"]
    assert [score.statistic.kind for score in found.scores] == ["jackknife"] * 5 + ["mean"]
    assert [score.higher_is_better for score in found.scores] == [True, True, False, True, True, True]
    assert all(len(found.columns[score.statistic.of]) == 60 for score in found.scores)
    mean = np.mean(found.columns["silhouette"])
    assert values(found)["silhouette"] == pytest.approx(mean)
    chi, xbi = values(found)["calinski_harabasz"], values(found)["xie_beni"]
    assert chi * xbi == pytest.approx(30 * 30 * 58 / 60**2, rel=1e-9)
    assert found.samples == tuple(row.id for row in rows)
    assert found.details[1]["label"] == "unsafe"


def test_the_embeddings_are_kept_for_any_tool_in_the_order_of_the_rows(evaluator, subject):
    from safetensors.numpy import load_file

    rows = labelled(150)
    asked = subject(Planted(), rows)
    found = evaluator().evaluate(asked)
    assert found.files[0] == "embeddings.safetensors"
    tensors = load_file(asked.folder / "embeddings.safetensors")
    assert sorted(tensors) == [f"layer_{number:03d}" for number in range(4)]
    due = Planted().hidden({row.id: row.prompt for row in rows}, "last").numpy()
    for number in range(4):
        assert np.array_equal(tensors[f"layer_{number:03d}"], due[:, number])
    states = read_states(asked.folder / "embeddings.safetensors")
    assert states.about["samples"] == [row.id for row in rows]
    whole = spread(states.layer(3), np.array(states.about["unsafe"]), reference=states.layer(3))
    assert whole.delta_squared == pytest.approx(values(found)["delta_squared"])


def test_tables_are_written(evaluator, subject):
    asked = subject(Planted(), labelled(60))
    found = evaluator().evaluate(asked)
    assert all((asked.folder / name).exists() for name in found.files)
    layers, view = table(asked.folder, "layers.csv"), table(asked.folder, "view.csv")
    assert [int(row["layer"]) for row in layers] == [0, 1, 2, 3]
    assert float(layers[3]["delta_squared"]) == values(found)["delta_squared"]
    assert len(view) == 60
    assert {row["label"] for row in view} == {"safe", "unsafe"}
    assert table(asked.folder, "controls.csv")[5]["delta_squared"] == ""  # unknown, not zero


def test_without_matplotlib_the_numbers_are_written_and_it_says_so(evaluator, subject):
    asked = subject(Planted(), labelled(60))
    found = evaluator().evaluate(asked)
    assert found.files == ("embeddings.safetensors", "layers.csv", "controls.csv", "view.csv")
    assert "finetune-lab[figures]" in found.counts["figures"]
    assert not list(asked.folder.glob("*.png"))


def test_figures_are_drawn_with_matplotlib(evaluator, subject, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(aqi_figures, "can_draw", lambda: True)
    asked = subject(Planted(), labelled(60))
    found = evaluator().evaluate(asked)
    assert found.files[-2:] == ("layers.png", "view.png")
    assert "figures" not in found.counts
    for name in found.files[-2:]:
        assert (asked.folder / name).read_bytes()[:4] == b"\x89PNG"


def test_the_published_form_is_relative_and_says_so(evaluator, subject):
    asked = subject(Planted(), labelled(90))
    found = evaluator("eval.aqi.normalisation=published").evaluate(asked)
    rows = found.counts["published"]["rows"]
    assert [row["Category"] for row in rows] == ["dogs", "paint", "tea", "overall"]
    assert max(row["CHI_norm (↑)"] for row in rows) == 100.0
    assert min(row["CHI_norm (↑)"] for row in rows) == 0.0
    assert "cannot be compared" in found.counts["published"]["note"]
    assert [row["Category"] for row in table(asked.folder, "published.csv")] == ["dogs", "paint", "tea", "overall"]


def test_pairs_are_taken_as_pairs(evaluator, subject):
    """What both prompts of a pair share is no noise: the interval of the same effect becomes narrow."""

    class Paired(Planted):
        def hidden(self, prompts, pooling):
            found = super().hidden(prompts, pooling) * 0.3
            for row, turns in enumerate(prompts.values()):
                pair = int(turns[-1]["content"][-6:]) // 2
                found[row] += torch.from_numpy(np.random.default_rng(pair).normal(size=found.shape[1:])).float()
            return found

    alone = labelled(120)
    pairs = [
        Sample.of(messages=row.messages, group=f"pair {number // 2}", facts=row.facts)
        for number, row in enumerate(alone)
    ]
    found = [evaluator().evaluate(subject(Paired(), rows, name)) for name, rows in (("alone", alone), ("pairs", pairs))]
    widths = [one.counts["interval"][1] - one.counts["interval"][0] for one in found]
    assert widths[1] < 0.5 * widths[0]
    lonely = found[1].counts["controls"][5]
    assert lonely["name"] == "contrast pairs"
    assert lonely["delta_squared"] == pytest.approx(values(found[1])["delta_squared"])
    assert lonely["auroc"] > found[1].counts["controls"][0]["auroc"]
    assert found[1].counts["groups"] == 60


def test_rows_without_labels_or_with_one_label_are_an_error(evaluator, subject):
    unlabelled = [Sample.of(messages=[{"role": "user", "content": f"hello {n}"}]) for n in range(8)]
    with pytest.raises(DataError, match=r"8 of 8 rows have no label.*data=labelled"):
        evaluator().evaluate(subject(Planted(), unlabelled, "one"))
    safe = [row for row in labelled(40) if row.facts["label"] == "safe"]
    with pytest.raises(DataError, match="there are 20 and 0"):
        evaluator().evaluate(subject(Planted(), safe, "two"))
    texts = [Sample.of(text=f"story {n}", facts={"label": "safe" if n % 2 else "unsafe"}) for n in range(20)]
    with pytest.raises(DataError, match="no prompt"):
        evaluator().evaluate(subject(Planted(), texts, "three"))


def test_a_layer_that_is_not_there_is_an_error(evaluator, subject):
    with pytest.raises(ConfigError, match="has 4"):
        evaluator("eval.aqi.layer=7").evaluate(subject(Planted(), labelled(20)))


def test_labels_that_cannot_be_permuted_leave_p_unknown(evaluator, subject):
    rows = [Sample.of(messages=row.messages, facts={**row.facts, "topic": row.facts["label"]}) for row in labelled(40)]
    found = evaluator().evaluate(subject(Planted(), rows))
    assert found.counts["exchangeable"] == 0
    assert np.isnan(found.counts["p_value"])
    assert values(found)["delta_squared"] is not None


def test_a_constant_layer_is_unknown_and_not_zero(evaluator, subject):
    class Constant(Planted):
        def hidden(self, prompts, pooling):
            found = super().hidden(prompts, pooling)
            found[:, 0] = 0.1
            return found

    found = evaluator("eval.aqi.layer=0").evaluate(subject(Constant(), labelled(40)))
    assert values(found)["delta_squared"] is None
    assert found.counts["layers"][3]["delta_squared"] > 0


# States


TEXTS = [
    "Plan a day.",
    "What do we pack for a walk near Harrow? It rains.",
    "Hi",
    "Tell me how to boil an egg, please.",
] * 3


def turns(texts):
    return {str(n): [{"role": "user", "content": f"{text} {n}"}] for n, text in enumerate(texts)}


def test_states_are_those_of_transformers_in_every_layer(tiny_engine, tmp_path):
    engine, asked = tiny_engine("none"), turns(TEXTS)
    write_states(engine, asked, tmp_path / "states", pooling="last", about=None)
    states = read_states(tmp_path / "states")
    for row, messages in enumerate(asked.values()):
        ids = torch.tensor([engine.chat.prompt(messages)])
        with torch.no_grad():
            due = engine.module(ids, output_hidden_states=True).hidden_states
        assert states.num_layers == len(due)
        assert states.layer(0)[row] == pytest.approx(due[0][0].mean(0).double().numpy(), abs=1e-5)
        for number in range(1, len(due)):
            assert states.layer(number)[row] == pytest.approx(due[number][0, -1].double().numpy(), abs=1e-4)


@pytest.mark.parametrize("pooling", ["last", "mean", "attention"])
def test_states_do_not_depend_on_what_shares_their_batch(tiny_engine, tmp_path, pooling):
    engine, asked = tiny_engine("none"), turns(TEXTS)
    references = torch.randn(10, engine.module.config.hidden_size, generator=torch.Generator().manual_seed(0))
    pool = pool_of(pooling, references if pooling == "attention" else None)
    together = engine.hidden(asked, pool)
    for row, (name, messages) in enumerate(asked.items()):
        assert engine.hidden({name: messages}, pool)[0] == pytest.approx(together[row], abs=1e-4)


def test_more_prompts_than_fit_at_once_keep_their_places(tiny_engine, tmp_path):
    engine, asked = tiny_engine("none"), turns(TEXTS * 12)
    assert len(asked) > 2 * ROWS_AT_ONCE
    write_states(engine, asked, tmp_path / "states", pooling="mean", about={"a": [1]})
    states = read_states(tmp_path / "states")
    due = engine.hidden(asked, "mean")
    assert states.about == {"a": [1]}
    for number in range(states.num_layers):
        assert states.layer(number) == pytest.approx(due[:, number].double().numpy(), abs=1e-4)


def test_attention_weighs_tokens_by_where_they_point():
    reference = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    states = torch.tensor([[[1.0, 0.0], [0.0, 5.0], [9.0, 9.0]]])
    mask = torch.tensor([[1, 1, 0]])
    weights = torch.tensor([1.0, 0.0]).mul(2**0.5).softmax(0)
    due = weights[0] * states[0, 0] + weights[1] * states[0, 1]
    assert torch.allclose(attention(reference)(1, states, mask)[0], due)
    assert pool_of("attention", reference)(0, states, mask).tolist() == [[0.5, 2.5]]


def test_attention_references_are_the_mean_states_of_all_prompts(fake_model, tmp_path):
    model, asked = fake_model(), turns(TEXTS)
    write_states(model, asked, tmp_path / "states", pooling="attention", about=None)
    pool = pool_of("attention", model.hidden(asked, "mean").mean(0))
    due = model.hidden(asked, pool)
    states = read_states(tmp_path / "states")
    for number in range(3):
        assert states.layer(number) == pytest.approx(due[:, number].double().numpy(), abs=1e-5)


def test_memory_does_not_grow_with_the_number_of_prompts(tmp_path):
    """What is held at once is the pooled states of 64 prompts, however many there are."""

    class Wide:
        def __init__(self):
            self.most_rows = 0

        def hidden(self, prompts, pooling):
            self.most_rows = max(self.most_rows, len(prompts))
            return torch.from_numpy(np.ones((len(prompts), 8, 512), dtype=np.float32))

    def peak(num):
        model, asked = Wide(), turns(["tea"] * num)
        tracemalloc.start()
        write_states(model, asked, tmp_path / f"{num}", pooling="last", about=None)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert model.most_rows == ROWS_AT_ONCE
        return found

    few, many = peak(128), peak(2048)
    one_prompt = 8 * 512 * 4
    assert few < 4 * ROWS_AT_ONCE * one_prompt
    assert many - few < 0.02 * (2048 - 128) * one_prompt  # what stays is a name and a number for each prompt


def test_a_kill_leaves_no_file_of_states(tmp_path):
    class Dying(Planted):
        def hidden(self, prompts, pooling):
            if self.most_rows:
                raise KeyboardInterrupt
            return super().hidden(prompts, pooling)

    with pytest.raises(KeyboardInterrupt):
        write_states(Dying(), turns(["tea"] * 100), tmp_path / "states", pooling="last", about=None)
    assert not (tmp_path / "states").exists()


# In the lab


def test_the_evaluator_runs_in_the_lab_and_its_files_are_in_the_store(lab):
    made = lab(
        "eval=[aqi]",
        "model.quantization=none",
        "runtime.device=cpu",
        "eval.aqi.rows.max_rows=32",
        "eval.aqi.permutations=19",
    )
    evaluation = made.evaluate(made.base)["aqi"]
    folder = made.evaluation_folder("aqi", made.base)
    assert evaluation.counts["safe"] == evaluation.counts["unsafe"] == 16
    assert "embeddings.safetensors" in evaluation.files
    assert "embeddings.safetensors" in made.store.evaluations(made.base.key)[0].files
    assert read_evaluation(folder).scores == evaluation.scores
    note = json.loads((folder / "done.json").read_text())
    assert note["files"][0] == "embeddings.safetensors"


def test_other_prompts_come_by_a_word_of_the_command_line(lab, tmp_path):
    path = tmp_path / "mine.csv"
    rows = [f"{'often' if n % 2 else 'never'} {n},{'safe' if n % 2 else 'unsafe'}" for n in range(20)]
    path.write_text("prompt,label\n" + "\n".join(rows) + "\n")
    made = lab("eval=[aqi]", "data@eval.aqi.rows.data=labelled", f"eval.aqi.rows.data.path={path}")
    assert len(made.rows(made.evaluators["aqi"])) == 20
    assert made.measures["aqi"] != lab("eval=[aqi]").measures["aqi"]
