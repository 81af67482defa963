"""Two processes under torchrun with gloo: both take the same steps, from what both heard."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from finetune_lab.training.grit import create_grit_optimizer

WORKER = Path(__file__).parent / "two_processes.py"
OPTIONS: dict[str, Any] = {"wide_rank": 8, "burn_in_tokens": 100, "collect_every": 1, "refresh_every": 2}


def test_two_processes_are_as_one_with_both_batches(small: Any, root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    done = subprocess.run([*command, str(WORKER), str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for name, weight in first["weights"].items():
        assert torch.equal(weight, second["weights"][name]), name
    for name, value in first["statistics"].items():
        assert torch.equal(value, second["statistics"][name]), name
    model = small.started(small.make_model())
    optimizer = create_grit_optimizer(model, 1e-3, collect="all", **OPTIONS)
    for step in range(6):
        small.train(model, optimizer, range(step, step + 1), given=lambda n: small.rows(n, count=8))
    for name in ("factor_h", "factor_e", "tokens"):
        ours, theirs = optimizer._statistics.state[name], first["statistics"][name]
        assert torch.allclose(ours, theirs, rtol=1e-2, atol=1e-3 * float(ours.abs().max())), name
    for name, weight in small.trained(model).items():
        assert torch.allclose(weight, first["weights"][name], atol=2e-4), name
    assert "buckets keep the size" in json.loads((tmp_path / "refused.json").read_text())
