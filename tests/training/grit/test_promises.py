"""What scripts/check_grit.py and scripts/bench_gpu.py do, in small."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune_lab.training.grit import create_grit_optimizer


def script(root: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, root / "scripts" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_a_skewed_start_does_not_matter_to_grit_and_does_to_adamw(small: Any) -> None:
    """From a trained start, as it is and with A → R A, B → B R⁻¹, R = diag(1 … 1000): the losses at the end."""

    def adamw(model: Any) -> Any:
        return torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2)

    def grit(model: Any) -> Any:
        measure: dict[str, Any] = {"burn_in_tokens": 0, "collect_every": 5, "refresh_every": 5, "collect": "all"}
        return create_grit_optimizer(model, 1e-2, wide_rank=8, reproject_every=10, **measure)

    def few(step: int) -> dict[str, torch.Tensor]:
        given: dict[str, torch.Tensor] = small.rows(step % 3)
        return given

    start = small.make_model()
    small.train(start, adamw(start), range(15), given=few)
    kept = {name: value.clone() for name, value in start.state_dict().items()}
    ends = {}
    for name, make in (("adamw", adamw), ("grit", grit)):
        for largest in (1.0, 1e3):
            model = small.make_model()
            model.load_state_dict(kept)
            small.skewed(model, largest)
            small.train(model, make(model), range(30), given=few)
            with torch.no_grad():
                ends[name, largest] = sum(float(model(**few(step)).loss) for step in range(3)) / 3
    assert abs(ends["grit", 1e3] / ends["grit", 1.0] - 1) < 0.01
    assert abs(ends["adamw", 1e3] / ends["adamw", 1.0] - 1) > 0.01


def test_the_gpu_benchmark_runs_in_small(root: Path) -> None:
    bench = script(root, "bench_gpu")
    model = bench.random_model(True, "cpu")
    rounds = [{side: bench.measured(model, side, 32, 1, "cpu", 512) for side in bench.SIDES}]
    found = bench.summary(32, rounds, weights=10**6, peak_tflops=1.0)
    assert found["time_ratio"] > 0
    assert found["qlora"]["tokens_per_second"] * found["qlora"]["step_seconds"] == pytest.approx(32)
    assert 0 < found["grit"]["utilisation"] < 1
    assert not any(weight.requires_grad and "lora" in name for name, weight in model.named_parameters())
