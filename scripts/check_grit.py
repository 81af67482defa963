"""Check two promises of GRIT on model tiny: a skewed start does not matter, and a falling rank costs little.

python scripts/check_grit.py [--checks skew rank] [--steps 120] [--seeds 1] [--rate 3e-3] [--grit-rate 3e-3] [--json F]

skew: from a trained start, cut once as it is and once as A → R A, B → B R⁻¹ with R = diag(1 … 1000), which is the same
function: GRIT with balancing has to end within 1 % of its unskewed run, AdamW is shown beside it.
rank: GRIT with a falling rank against AdamW at fixed ranks: the held-out loss has to be within 1 % of rank 16's at no
more than 60 % of its adapter bytes, and at fewer bytes than the smallest fixed rank that reaches that loss.
The exit code is 1 where one of these does not hold.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_parts import composed, conversations

ROWS, HELD_OUT, BATCH, LONGEST = 640, 96, 8, 320
SKEW = 1e3


@dataclass
class Bench:
    """The model with its rows; every training begins from the same base."""

    engine: Any
    projections: Sequence[str]
    rows: list[Any]
    held_out: list[Any]

    @classmethod
    def make(cls, quantization: str) -> Bench:
        from finetune_lab.config import build
        from finetune_lab.records import Sample

        config = composed(
            "method=lora", "model=tiny", f"model.quantization={quantization}", "runtime.device=cpu", "tracker=none"
        )
        source, runtime = build(config, "model", "runtime")
        engine = source.load(runtime)
        found = [engine.chat.conversation(Sample.of(messages=turns)) for turns in conversations("tiny", 0, 1400)]
        rows = [row for row in found if len(row.ids) <= LONGEST][: ROWS + HELD_OUT]
        return cls(engine, source.projections, rows[:-HELD_OUT], rows[-HELD_OUT:])

    def attached(self, rank: int, seed: int) -> Any:
        """The model with fresh adapters of `rank`, scaled by 2."""
        import torch
        from peft import LoraConfig

        from finetune_lab.training.attach import attach

        torch.manual_seed(seed)
        names = list(self.projections)
        return attach(
            self.engine.module, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names, task_type="CAUSAL_LM")
        ).train()

    def train(self, model: Any, optimizer: Any, steps: int, seed: int, *, warmup: int = 5) -> None:
        """`steps` updates with a cosine to zero, clipped at 1; rows in an order by seed."""
        import torch

        from finetune_lab.training.order import row_order
        from finetune_lab.training.rows import collate

        order = row_order([len(row.ids) for row in self.rows], batch_size=BATCH, num_batches=steps, seed=seed)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda n: min(1.0, (n + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * n / steps))
        )
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        for step in range(steps):
            model(**collate([self.rows[n] for n in order[step * BATCH : (step + 1) * BATCH]])).loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()

    def loss(self, model: Any) -> float:
        """Nats per target token on the held-out rows."""
        model.eval()
        scored = self.engine.nll(self.held_out)
        model.train()
        return sum(row.sum_nats for row in scored) / sum(row.num_tokens for row in scored)


def optimizer_of(model: Any, name: str, rate: float, **options: Any) -> Any:
    """AdamW, or GRIT with `options`."""
    import torch

    from finetune_lab.training.grit import create_grit_optimizer

    if name == "grit":
        return create_grit_optimizer(model, rate, **options)
    return torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=rate, betas=(0.9, 0.99), weight_decay=0.0
    )


def pairs(model: Any) -> list[tuple[Any, Any]]:
    """A and B of every layer."""
    named = dict(model.named_parameters())
    return [(weight, named[name.replace("lora_A", "lora_B")]) for name, weight in named.items() if "lora_A" in name]


def skew(bench: Bench, steps: int, seed: int, rate: float) -> dict[str, Any]:
    """Held-out losses of AdamW and GRIT from a trained start, skewed and not."""
    import torch

    model = bench.attached(16, seed)
    bench.train(model, optimizer_of(model, "adamw", rate), steps // 2, seed)
    began = bench.loss(model)
    start = [(inner.detach().clone(), outer.detach().clone()) for inner, outer in pairs(model)]
    model.unload()
    found: dict[str, Any] = {"start": began}
    for name in ("adamw", "grit"):
        for skewed in (False, True):
            model = bench.attached(16, seed)
            scale = torch.logspace(0, math.log10(SKEW), 16) if skewed else torch.ones(16)
            with torch.no_grad():
                for (inner, outer), (a, b) in zip(pairs(model), start, strict=True):
                    inner.copy_(a * scale[:, None])
                    outer.copy_(b / scale)
            options = {"burn_in_tokens": 0, "reproject_every": 20, "collect": "all"} if name == "grit" else {}
            bench.train(model, optimizer_of(model, name, rate, **options), steps, seed + 1)
            found[f"{name}{' skewed' if skewed else ''}"] = bench.loss(model)
            model.unload()
    for name in ("adamw", "grit"):
        found[f"{name} change"] = found[f"{name} skewed"] / found[name] - 1
    found["holds"] = abs(found["grit change"]) <= 0.01 < abs(found["adamw change"])
    return found


def stored_bytes(model: Any) -> int:
    """Bytes of the adapter's file."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder, safe_serialization=True)
        return (Path(folder) / "adapter_model.safetensors").stat().st_size


def falling_rank(
    bench: Bench, steps: int, seed: int, rate: float, grit_rate: float, ranks: Sequence[int], share: float, floor: int
) -> dict[str, Any]:
    """Loss and bytes of AdamW at fixed ranks and of GRIT with a falling one, each at a rate of its own."""
    fixed: dict[int, tuple[float, int]] = {}
    for rank in ranks:
        model = bench.attached(rank, seed)
        bench.train(model, optimizer_of(model, "adamw", rate), steps, seed)
        fixed[rank] = bench.loss(model), stored_bytes(model)
        print(f"AdamW at rank {rank}: {fixed[rank][0]:.4f}, {fixed[rank][1]} bytes", flush=True)
        model.unload()
    model = bench.attached(16, seed)
    options = {
        "reproject_every": max(10, steps // 6),
        "share": share,
        "shrink_after": steps // 3,
        "burn_in_tokens": 2000,
        "floor": floor,
    }
    optimizer = optimizer_of(model, "grit", grit_rate, **options)
    bench.train(model, optimizer, steps, seed)
    loss, stored = bench.loss(model), stored_bytes(model)
    chosen = sorted(layer.rank for layer in optimizer._layers)
    model.unload()
    whole_loss, whole_bytes = fixed[16]
    reach = [size for rank, (value, size) in fixed.items() if value <= 1.01 * whole_loss]
    return {
        "fixed": fixed,
        "grit": (loss, stored),
        "ranks": chosen,
        "loss over rank 16": loss / whole_loss,
        "bytes over rank 16": stored / whole_bytes,
        "smallest fixed that reaches it": min(reach),
        "holds": loss <= 1.01 * whole_loss and stored <= 0.6 * whole_bytes and stored < min(reach),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", nargs="+", default=["skew", "rank"], choices=["skew", "rank"])
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--grit-rate", type=float, help="of the falling rank; the rate of the others unless given")
    parser.add_argument("--share", type=float, default=0.98)
    parser.add_argument("--floor", type=int, default=4, help="no rank below")
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--quantization", default="none", choices=["none", "nf4"])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    bench = Bench.make(asked.quantization)
    found = []
    for seed in range(asked.seeds):
        for check in asked.checks:
            if check == "skew":
                result = skew(bench, asked.steps, seed, asked.rate)
            else:
                grit_rate = asked.grit_rate or asked.rate
                settings = (asked.ranks, asked.share, asked.floor)
                result = falling_rank(bench, asked.steps, seed, asked.rate, grit_rate, *settings)
            found.append({"check": check, "seed": seed, **result})
            print(json.dumps(found[-1]), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))
    sys.exit(not all(one["holds"] for one in found))


if __name__ == "__main__":
    main()
