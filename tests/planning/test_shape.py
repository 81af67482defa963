"""A model's shape is told without its weights, and tells the same numbers."""

import json
import shutil
from pathlib import Path

import pytest

from finetune_lab.model.tiny import ASSETS
from finetune_lab.planning.shape import shape_of, shape_of_config, typical_shape

LLAMA = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
PHI = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")


def test_files_and_config_tell_the_same_numbers_as_the_loaded_model(tiny_engine, tmp_path):
    module = tiny_engine("none").module
    loaded = sum(weight.numel() for weight in module.parameters())
    shutil.copy(ASSETS / "config.json", tmp_path)
    by_files, by_config = shape_of(ASSETS, LLAMA), shape_of(tmp_path, LLAMA)
    assert by_files is not None
    assert by_config is not None
    assert (by_files.origin, by_config.origin) == ("weights", "config")
    assert by_files.num_parameters == by_config.num_parameters == loaded
    assert set(by_files.linears) == set(by_config.linears)
    for one in by_files.linears:
        layers = [layer for name, layer in module.named_modules() if name.rpartition(".")[2] == one.name]
        assert [(layer.in_features, layer.out_features) for layer in layers] == [(one.inputs, one.outputs)] * one.count


def test_fused_projections_hold_the_same_weights_under_other_names():
    config = json.loads((ASSETS / "config.json").read_text())
    plain, fused = shape_of_config(config, LLAMA), shape_of_config(config, PHI)
    assert plain.num_parameters == fused.num_parameters
    assert {one.name for one in fused.linears} == set(PHI)


@pytest.mark.parametrize(("billions", "hidden", "layers"), [(8.0, 4096, 32), (3.2, 3072, 28), (70.0, 8192, 80)])
def test_a_typical_model_has_its_size_and_about_the_proportions_of_real_ones(billions, hidden, layers):
    shape = typical_shape(billions, LLAMA)
    assert shape.num_parameters == pytest.approx(1e9 * billions, rel=0.02)
    assert shape.hidden == pytest.approx(hidden, rel=0.15)
    assert shape.layers == pytest.approx(layers, rel=0.2)


@pytest.mark.parametrize("text", ["{", "[]", '{"hidden_size": 8}', '{"hidden_size": "wide", "vocab_size": 1}'])
def test_a_config_that_does_not_tell_enough_gives_nothing(text, tmp_path: Path):
    (tmp_path / "config.json").write_text(text)
    assert shape_of(tmp_path, LLAMA) is None
    assert shape_of(tmp_path / "nowhere", LLAMA) is None
    assert shape_of(tmp_path, LLAMA, 0.5) is not None


def test_headers_that_lie_fall_back_on_the_config(tmp_path):
    shutil.copy(ASSETS / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes((2**60).to_bytes(8, "little") + b"{}")
    shape = shape_of(tmp_path, LLAMA)
    assert shape is not None
    assert shape.origin == "config"
