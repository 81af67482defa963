"""The arms as command lines: GRIT in the lab, what it shows and leaves, and the source's own knobs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from safetensors.torch import load_file

from finetune_lab.lab import Lab
from finetune_lab.records import Sample
from finetune_lab.training.grit.settings import GritSettings


def validation() -> list[Sample]:
    """The validation rows of the fixture `train`."""
    turns = [(f"What is {n} plus {n % 7}?", f"It is {n + n % 7}" + "." * (n % 3)) for n in range(100, 108)]
    return [
        Sample.of(messages=[{"role": "user", "content": asked}, {"role": "assistant", "content": said}])
        for asked, said in turns
    ]


FEW = ["method.max_steps=4", "method.evaluate_every=2", "method.optimizer.learning_rate=5e-3"]


def test_it_trains_shows_and_leaves_its_curvature(train: Callable[..., Any]) -> None:
    done = train("method=grit", *FEW, "method.optimizer.burn_in_tokens=100", "method.optimizer.refresh_every=2")
    losses = done.curve("train/loss")
    assert losses[-1] < losses[0]
    ranks = {name for _, metrics in done.heard for name in metrics if name.startswith("grit/effective_rank/")}
    assert len(ranks) == 21
    assert done.report.extra["grit/parameters_stored"] == done.report.num_trainable_parameters
    assert (done.folder / "curvature.safetensors").exists()
    assert len(json.loads((done.folder / "curvature.json").read_text())) == 21


def test_the_class_and_the_library_know_the_same_settings(lab: Callable[..., Lab]) -> None:
    optimizer = lab("method=grit").method.optimizer
    ours = {name for name in type(optimizer).__dataclass_fields__ if name.islower()}
    theirs = set(GritSettings.__dataclass_fields__)
    assert ours - theirs <= {"learning_rate", "epsilon", "retain"}
    assert theirs - ours == {"eps"}
    for name in ours & theirs:
        told, own = getattr(optimizer, name), GritSettings.__dataclass_fields__[name].default
        assert told == own or name == "weight_decay", name


def test_the_source_as_it_was_trains_too(train: Callable[..., Any]) -> None:
    settings = ["damping=1e-2", "mode=published", "reproject_every=2", "reproject_rank=4", "collect_every=1"]
    given = [f"method.optimizer.{setting}" for setting in [*settings, "refresh_every=1", "burn_in_tokens=0"]]
    done = train("method=grit", *FEW, *given)
    assert all(loss == loss for loss in done.curve("train/loss"))


def test_the_source_has_its_own_knobs(lab: Callable[..., Lab]) -> None:
    method = lab("experiment=grit_source").method
    optimizer = method.optimizer
    assert (optimizer.damping, optimizer.collect_every, optimizer.statistics_decay) == (1e-2, 20, 0.95)
    assert (optimizer.reproject_rank, optimizer.reproject_every, optimizer.learning_rate) == (4, 40, 2e-5)
    assert (method.batch_size, method.objective.max_length) == (1, 1024)


def test_retention_is_an_optimizer_of_its_own_name(train: Callable[..., Any]) -> None:
    small = ["method.optimizer.retain.num_rows=4", "method.optimizer.retain.data.max_rows=40"]
    done = train("method=grit", "optimizer@method.optimizer=grit_retain", *small, *FEW)
    losses = done.curve("train/loss")
    assert losses[-1] < losses[0]
    assert list((done.folder / "retain").glob("train.jsonl"))


def test_a_falling_rank_is_stored_small_and_scored_alike(
    train: Callable[..., Any], tiny_engine: Callable[[str], Any]
) -> None:
    settings = ["burn_in_tokens=1", "collect_every=1", "reproject_every=2", "share=0.9", "shrink_after=2"]
    given = [f"method.optimizer.{setting}" for setting in settings]
    done = train("method=grit", *FEW, "method.max_steps=6", "method.evaluate_every=3", *given)
    tensors = load_file(done.folder / "adapter" / "adapter_model.safetensors")
    stored = sum(value.numel() for value in tensors.values())
    assert stored == done.report.num_trainable_parameters == done.report.extra["grit/parameters_stored"]
    assert stored < 0.8 * done.report.extra["grit/parameters_at_start"]
    engine = tiny_engine("nf4")
    rows = [engine.chat.conversation(sample) for sample in validation()]
    with engine.with_adapter(done.folder / "adapter") as tuned:
        scored = tuned.nll(rows)
    loss = sum(row.sum_nats for row in scored) / sum(row.num_tokens for row in scored)
    assert loss == pytest.approx(done.report.best_validation_loss, rel=1e-4)
