"""What the study of GRIT compares: arms, tasks and sizes, each as overrides of a command line.

Every arm is `method=lora` with another optimizer, so that rows, masks, order, dropout, schedule, clipping, rank and
precision are the same. What all share stands in SHARED: both decays of the moments and the weight decay too, since a
gain that comes from another second-moment decay is not one of curvature.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from scripts.bench_parts import REALDATA

SEARCH_SEED = 1000  # rates are chosen with it; the seeds that are reported are others
FIRST_SEED = 11  # none that any try before had seen (docs/log.md)
STEPS = 60
LADDER_FROM = 1e-2  # every arm's rates are this one halved or doubled some times
SHARED = (
    "method=lora",
    "model=tiny",
    "model.quantization=none",
    "method.optimizer.weight_decay=0.01",
    "method.optimizer.betas=[0.9,0.99]",
    "method.accumulation=1",
    "method.epochs=1000",
    "method.decay=cosine",
    "method.warmup=0.05",
    "method.clip=1.0",
    "runtime.device=cpu",
    "runtime.threads=1",
    "runtime.progress=off",
    "tracker=none",
)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """`optimizer` names a YAML, `settings` what differs from it; `start` is in the middle of the first rates."""

    title: str
    optimizer: str
    settings: tuple[str, ...] = ()
    start: float = LADDER_FROM

    def overrides(self, rate: float) -> tuple[str, ...]:
        """The part of a command line that makes this arm."""
        own = (f"method.optimizer.{setting}" for setting in self.settings)
        return f"optimizer@method.optimizer={self.optimizer}", f"method.optimizer.learning_rate={rate:g}", *own


@dataclass(frozen=True, kw_only=True)
class Task:
    """Rows and batches of one task. Rows over `max_length` tokens are left out; at most so many of each split."""

    data: tuple[str, ...]
    batch_size: int
    max_length: int
    num_train: int = 600
    num_validation: int = 40
    num_test: int = 80

    def overrides(self, steps: int) -> tuple[str, ...]:
        """The part of a command line that makes this task, for trainings of `steps` updates."""
        return (
            *self.data,
            f"method.batch_size={self.batch_size}",
            f"method.objective.max_length={self.max_length}",
            f"method.max_steps={steps}",
            f"method.evaluate_every={steps}",
        )


def grit(title: str, *settings: str, start: float = 2e-2) -> Arm:
    """An arm of GRIT: as `grit.yaml` has it but for `settings`."""
    return Arm(title=f"GRIT, {title}", optimizer="grit", settings=settings, start=start)


BOTH = ("sides=[rank,input,output]", "wide_rank=16")
WIDER = ("sides=[rank,input,output]", "wide_rank=64")
ARMS = {
    "adamw": Arm(title="AdamW", optimizer="adamw"),
    "adamw_b4": Arm(
        title="AdamW, B at 4 times A's rate", optimizer="lora_plus", settings=("rate_ratio=4",), start=5e-3
    ),
    "lora_plus": Arm(title="LoRA+ (B at 16 times)", optimizer="lora_plus", settings=("rate_ratio=16",), start=2.5e-3),
    "riemannian": Arm(title="Riemannian", optimizer="riemannian"),
    "rank": grit("rank side alone", "sides=[rank]"),
    "input16": grit("rank and input side, k 16", "sides=[rank,input]", "wide_rank=16"),
    "both16": grit("rank and both wide sides, k 16", *BOTH),
    "both64": grit("rank and both wide sides, k 64", *WIDER),
    "placebo64": grit("placebo: random bases, k 64", *WIDER, "placebo=true"),
    "bound": grit("no side: Adam with the bound on a step", "sides=[]"),
    "both64_free": grit("rank and both wide sides, k 64, no bound", *WIDER, "kl_clip=null", start=1e-2),
}
FIRST_SLICE = tuple(ARMS)
# what else was tried, each against what was expected of it (docs/log.md)
ARMS |= {
    "both16_b4": grit("both wide sides, k 16, B at 4 times A's rate", *BOTH, "outer_rate_ratio=4", start=1e-2),
    "wide16": grit("both wide sides without the rank side, k 16", "sides=[input,output]", "wide_rank=16"),
    "output16": grit("rank and output side, k 16", "sides=[rank,output]", "wide_rank=16"),
    "both16_often": grit("k 16, measured every 5, turned every 10 steps", *BOTH, "collect_every=5", "refresh_every=10"),
    "both16_short": grit("k 16, shorter memory (decay 0.8)", *BOTH, "statistics_decay=0.8"),
}

_SPLIT = "data.split={train: 0.7, validation: 0.1, test: 0.2, seed: 42}"
TASKS = {
    "pocketguide": Task(data=("data=pocketguide", "data.max_rows=1000", _SPLIT), batch_size=6, max_length=384),
    "alpaca": Task(
        data=("data=jsonl", f"data.path={REALDATA / 'instructions' / 'alpaca_en_demo.json'}", _SPLIT),
        batch_size=12,
        max_length=256,
    ),
    "gsm8k": Task(
        data=("data=jsonl", f"data.path={REALDATA / 'instructions' / 'gsm8k_train.jsonl'}", _SPLIT),
        batch_size=8,
        max_length=224,
        num_train=1000,
    ),
}


def rung(rate: float) -> int:
    """The place of a rate on the ladder: 0 is LADDER_FROM, 1 its double."""
    return round(log2(rate / LADDER_FROM))


def rate_at(number: int) -> float:
    """The rate of a rung."""
    return float(LADDER_FROM * 2.0**number)
