"""Short trainings of the embedded model on sums."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.lab import Lab
from finetune_lab.protocols import Job, Metrics
from finetune_lab.records import Sample, TrainingReport


def sums(start: int, stop: int) -> tuple[Sample, ...]:
    asked = {n: f"What is {n} plus {n % 7}?" for n in range(start, stop)}
    said = {n: f"It is {n + n % 7}" + "." * (n % 3) for n in asked}
    turns = [[{"role": "user", "content": asked[n]}, {"role": "assistant", "content": said[n]}] for n in asked]
    return tuple(Sample.of(messages=pair) for pair in turns)


@dataclass
class Trained:
    """A finished training: its report, its folder, the rows it learned, and what was heard from it."""

    report: TrainingReport
    folder: Path
    rows: tuple[Sample, ...]
    heard: list[tuple[int, Metrics]] = field(default_factory=list)

    def curve(self, name: str) -> list[float]:
        return [metrics[name] for _, metrics in self.heard if name in metrics]

    @property
    def adapter(self) -> bytes:
        return (self.folder / "adapter" / "adapter_model.safetensors").read_bytes()


@pytest.fixture
def train(lab: Callable[..., Lab], tiny_engine: Callable[[str], Any], tmp_path: Path) -> Callable[..., Trained]:
    """Train 32 sums with the overrides given; `swap` puts an object of the test's own in place of a part."""
    short = ["method.max_steps=6", "method.epochs=99", "method.evaluate_every=3", "method.objective.max_length=64"]
    short += ["runtime.device=cpu", "runtime.log_every_steps=1"]

    def run(*overrides: str, folder: str = "run", listen: Any = None, engine: Any = None, **swap: Any) -> Trained:
        made = lab(*short, *overrides)
        made.method.check(made.model)
        loaded = engine or tiny_engine(made.model.quantization)
        heard: list[tuple[int, Metrics]] = []

        def hear(step: int, metrics: Metrics) -> None:
            heard.append((step, metrics))
            if listen:
                listen(step, metrics)

        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        job = Job(
            model=lambda: loaded,
            source=made.model,
            train=sums(0, 32),
            validation=sums(100, 108),
            folder=place,
            seed=made.seed,
            runtime=made.runtime,
            listen=hear,
        )
        for name, part in swap.items():
            object.__setattr__(made.method, name, part)
        return Trained(made.method.train(job), place, job.train, heard)

    return run
