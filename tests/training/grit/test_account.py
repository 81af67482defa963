"""What is shown of the method is what there is, and what is kept beside the adapter can be read again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from finetune_lab.training.grit import create_grit_optimizer

MEASURE: dict[str, Any] = {"burn_in_tokens": 50, "collect_every": 1, "refresh_every": 1, "wide_rank": 8}


def test_before_anything_is_known_there_is_no_spectrum(small: Any) -> None:
    found = create_grit_optimizer(small.make_model(), 1e-3).metrics()
    assert found["grit/parameters_at_start"] == found["grit/parameters_stored"] > 0
    assert not any("effective_rank" in name or "condition" in name for name in found)


def test_metrics_are_plain_numbers(small: Any) -> None:
    model = small.started(small.make_model())
    optimizer = create_grit_optimizer(model, 1e-3, **MEASURE)
    small.train(model, optimizer, range(2))
    found = optimizer.metrics()
    assert all(type(value) is float and value >= 0 for value in found.values())
    ranks = {name: value for name, value in found.items() if name.startswith("grit/effective_rank/")}
    assert len(ranks) == 6
    assert all(1 <= value <= 4 for value in ranks.values())
    assert found["grit/parameters_effective"] <= found["grit/parameters_stored"]
    assert found["grit/seconds"] > 0
    spectrum = [found[f"grit/spectrum/{place:02}"] for place in (1, 2, 3, 4)]
    assert spectrum == sorted(spectrum, reverse=True)
    assert sum(spectrum) == pytest.approx(1)
    assert found["grit/condition_e_largest"] >= found["grit/condition_e_median"] >= 1
    assert found["grit/natural_over_plain_norm"] > 0


def test_what_is_kept_beside_the_adapter(small: Any, tmp_path: Path) -> None:
    model = small.started(small.make_model())
    optimizer = create_grit_optimizer(model, 1e-3, **MEASURE)
    small.train(model, optimizer, range(2))
    optimizer.save_curvature(tmp_path)
    tensors = load_file(tmp_path / "curvature.safetensors")
    rows = {row["layer"]: row for row in json.loads((tmp_path / "curvature.json").read_text())}
    name = "model.layers.0.self_attn.q_proj"
    h, e = (tensors[f"{name}.factor_{side}"].double() for side in ("h", "e"))
    expected = torch.linalg.eigvals(h @ e).real.sort(descending=True)[0].clamp_min(0).sqrt()
    assert torch.allclose(tensors[f"{name}.sigma"].double(), expected, rtol=1e-3, atol=1e-9)
    assert rows[name]["sigma"][0] == pytest.approx(float(expected[0]), rel=1e-3)
    basis = tensors[f"{name}.input_basis"]
    assert basis.shape == (32, 8)
    assert torch.allclose(basis.T @ basis, torch.eye(8), atol=1e-4)
