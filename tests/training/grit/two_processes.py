"""What each of two processes does: half of every batch, under DistributedDataParallel. Run by test_processes.py."""

import importlib.util
import json
import sys
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel

from finetune_lab.training.grit import create_grit_optimizer
from finetune_lab.training.grit.layers import UnsupportedModelError

HERE = Path(__file__).parent


def helpers():
    spec = importlib.util.spec_from_file_location("helpers", HERE / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    folder, small = Path(sys.argv[1]), helpers()
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    model = small.started(small.make_model())
    options = {"wide_rank": 8, "burn_in_tokens": 100, "collect_every": 1, "refresh_every": 2}
    optimizer = create_grit_optimizer(model, 1e-3, collect="all", **options)
    parallel = DistributedDataParallel(model)
    for step in range(6):
        mine = {name: value[rank * 4 : rank * 4 + 4] for name, value in small.rows(step, count=8).items()}
        parallel(**mine).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    torch.save({"weights": small.trained(model), "statistics": optimizer._statistics.state}, folder / f"{rank}.pt")
    if rank == 0:
        falling = create_grit_optimizer(small.make_model(), 1e-3, share=0.9, reproject_every=2)
        try:
            falling.step()
        except UnsupportedModelError as error:
            (folder / "refused.json").write_text(json.dumps(str(error)))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
