"""An adapter from elsewhere: the same scores as where it was made, known by content, and no pickles."""

import json
import shutil

import pytest

from finetune_lab.errors import ConfigError, DataError, WorldError

SHORT = (
    "data.max_rows=40",
    "data.split={train:0.6,validation:0.2,test:0.2,seed:42}",
    "model.quantization=none",
    "eval=[perplexity]",
    "runtime.device=cpu",
)
TRAINING = ("method=lora", "method.max_steps=2", "method.evaluate_every=2", "method.batch_size=2")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("outside")


@pytest.fixture
def outside(execute, place):
    """A PEFT folder that one of our own trainings wrote, and what it scored there."""
    lab = execute(*SHORT, *TRAINING, "method.optimizer.learning_rate=1e-2", outputs=place / "made")
    folder = place / "given"
    if not folder.exists():
        shutil.copytree(lab.artifact.place / "adapter", folder)
    (score,) = [s for s in lab.store.scores([lab.artifact.key]) if s.name == "perplexity"]
    return folder, score.value


def line(folder):
    return (*SHORT, "method=adapter", f"method.path={folder}")


def test_it_scores_as_where_it_was_made_and_is_not_copied(outside, execute, place):
    folder, value = outside
    lab = execute(*line(folder), outputs=place / "used")
    (score,) = [s for s in lab.store.scores([lab.artifact.key]) if s.name == "perplexity"]
    assert score.value == pytest.approx(value, rel=1e-6)
    assert not list(lab.artifact.place.rglob("*.safetensors"))
    report = lab.store.find(lab.artifact.key).report
    assert report["num_trainable_parameters"] > 0
    assert report["adapter_bytes"] == sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def test_it_is_scored_without_a_run_before(outside, execute, tmp_path):
    folder, value = outside
    lab = execute(*line(folder), "task=evaluate", outputs=tmp_path / "outputs")
    (score,) = [s for s in lab.store.scores([lab.artifact.key]) if s.name == "perplexity"]
    assert score.value == pytest.approx(value, rel=1e-6)


def test_it_is_known_by_content_and_not_by_place(outside, lab, tmp_path):
    folder, _ = outside
    other = shutil.copytree(folder, tmp_path / "elsewhere")
    settings = json.loads((other / "adapter_config.json").read_text())
    settings["target_modules"].reverse()
    settings["base_model_name_or_path"] = "/home/somebody/model"
    (other / "adapter_config.json").write_text(json.dumps(settings))
    assert lab(*line(folder)).artifact.key == lab(*line(other)).artifact.key
    settings["lora_alpha"] += 1
    (other / "adapter_config.json").write_text(json.dumps(settings))
    assert lab(*line(folder)).artifact.key != lab(*line(other)).artifact.key


def test_an_artifact_stands_for_what_the_folder_held_then(outside, execute, tmp_path):
    folder = shutil.copytree(outside[0], tmp_path / "mine")
    made = execute(*line(folder), "task=train")
    settings = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": 99}))
    with pytest.raises(DataError, match="has changed"):
        made.method.apply(None, made.artifact.place)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda place: (place / "adapter_config.json").unlink(), "has no adapter_config.json"),
        (lambda place: (place / "adapter_config.json").write_text("{"), "is not JSON"),
        (
            lambda place: (place / "adapter_model.safetensors").rename(place / "adapter_model.bin"),
            "a pickle can run code",
        ),
        (lambda place: (place / "adapter_model.safetensors").unlink(), "has no .safetensors"),
    ],
)
def test_what_is_no_adapter_is_refused(outside, lab, tmp_path, change, told):
    folder = shutil.copytree(outside[0], tmp_path / "mine")
    change(folder)
    with pytest.raises(WorldError, match=told):
        lab(*line(folder)).check()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("target_modules", ["query_key_value"], "another kind of model"),
        ("peft_type", "PREFIX_TUNING", "only adapters on"),
    ],
)
def test_what_is_for_another_kind_of_model_is_refused(outside, lab, tmp_path, name, value, told):
    folder = shutil.copytree(outside[0], tmp_path / "mine")
    settings = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(settings | {name: value}))
    with pytest.raises(ConfigError, match=told):
        lab(*line(folder)).check()
