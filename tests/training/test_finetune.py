"""A training teaches the adapters and nothing else, knows when to stop, and is the same when it was interrupted."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from finetune_lab.errors import ConfigError, DataError
from finetune_lab.lab import Lab
from finetune_lab.records import Sample
from finetune_lab.training.finetune import Schedule

FAST = "method.optimizer.learning_rate=5e-3"
SURE = "method.adapter.dropout=0.0"


def trace(module: Any) -> dict[str, bytes]:
    """Every weight and buffer as bytes, and every layer's class."""
    found = {name: type(layer).__name__.encode() for name, layer in module.named_modules()}
    weights = [*module.named_parameters(remove_duplicate=False), *module.named_buffers()]
    return found | {f"{n}:": w.detach().contiguous().view(torch.uint8).numpy().tobytes() for n, w in weights}


class Spy:
    """An objective that notes what of the model can be trained, and otherwise does what `own` does."""

    def __init__(self, own: Any) -> None:
        self.own = own
        self.trainable: dict[str, torch.Size] = {}

    def encode(self, setting: Any) -> Any:
        return self.own.encode(setting)

    def trainer(self, model: Any, *rest: Any, **parts: Any) -> Any:
        self.trainable = {name: weight.shape for name, weight in model.named_parameters() if weight.requires_grad}
        return self.own.trainer(model, *rest, **parts)


@pytest.mark.parametrize("quantization", ["nf4", "none"])
def test_the_loss_falls_and_the_base_stays(
    quantization: str, train: Callable[..., Any], lab: Callable[..., Lab], tiny_engine: Callable[[str], Any]
) -> None:
    spy, engine = Spy(lab().method.objective), tiny_engine(quantization)
    before = trace(engine.module)
    method = ["method=lora", f"model.quantization={quantization}"]
    done = train(*method, FAST, "method.max_steps=16", "method.evaluate_every=8", objective=spy)
    losses = done.curve("train/loss")
    assert len(losses) == 16
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])
    assert done.curve("validation/loss")[-1] < 0.8 * losses[0]
    assert trace(engine.module) == before
    assert not engine.module.training
    assert not any(weight.requires_grad for weight in engine.module.parameters())
    assert all(".lora_A." in name or ".lora_B." in name for name in spy.trainable)
    assert len(spy.trainable) == 3 * 7 * 2  # A and B in seven projections of three layers
    assert done.report.num_trainable_parameters == sum(shape.numel() for shape in spy.trainable.values())


def test_the_report_counts_what_was_seen(train: Callable[..., Any], tiny_engine: Callable[[str], Any]) -> None:
    done = train("method.max_steps=4", "method.evaluate_every=2")  # 4 x 8 rows: each of the 32 once
    rows = [tiny_engine("nf4").chat.conversation(sample) for sample in done.rows]
    report = done.report
    assert report.num_steps == 4
    assert report.num_target_tokens == sum(sum(row.targets) for row in rows)
    assert report.num_input_tokens == sum(len(row.ids) for row in rows)
    assert report.stopped == "steps"
    assert report.adapter_bytes == len(done.adapter)
    assert report.best_validation_loss == pytest.approx(min(done.curve("validation/loss")))
    assert done.curve("train/target_tokens")[-1] == report.num_target_tokens
    proof = json.loads((done.folder / "proof.json").read_text())
    assert proof["num_rows"] == {"train": 32, "validation": 8}


def test_the_last_step_is_judged_also_when_it_is_out_of_turn(train: Callable[..., Any]) -> None:
    done = train(FAST, "method.max_steps=5", "method.evaluate_every=3")
    judged = {step: metrics["validation/loss"] for step, metrics in done.heard if "validation/loss" in metrics}
    assert list(judged) == [3, 5]
    assert done.report.best_step == min(judged, key=judged.__getitem__)


class Contrary(Spy):
    """An objective that judges by rows which the training spoils."""

    def encode(self, setting: Any) -> Any:
        wrong = [{"role": "user", "content": "What is 3 plus 4?"}, {"role": "assistant", "content": "The mill is old."}]
        spoilt = setting.chat.conversation(Sample.of(messages=wrong))
        return replace(self.own.encode(setting), validation=(spoilt,) * 4)


def test_the_best_is_kept_and_not_the_last(train: Callable[..., Any], lab: Callable[..., Lab]) -> None:
    spoil = ["method.decay=constant", "method.warmup=0", "method.evaluate_every=2", "method.patience=9"]
    done = train(FAST, SURE, *spoil, objective=Contrary(lab().method.objective))
    losses = done.curve("validation/loss")
    best = losses.index(min(losses))
    assert best < len(losses) - 1, losses  # or it proves nothing
    assert done.report.best_step == 2 * (best + 1)
    checkpoint = done.folder / "checkpoints" / f"checkpoint-{done.report.best_step}" / "adapter_model.safetensors"
    assert done.adapter == checkpoint.read_bytes()


# How it is cut into passes


def test_accumulation_does_not_change_the_training(train: Callable[..., Any]) -> None:
    whole = train(FAST, SURE, "method.batch_size=8", "method.accumulation=1", folder="a")
    halves = train(FAST, SURE, "method.batch_size=4", "method.accumulation=2", folder="b")
    for name in ("train/loss", "validation/loss", "train/gradient_norm"):
        assert halves.curve(name) == pytest.approx(whole.curve(name), rel=1e-3), name
    assert halves.curve("train/target_tokens") == whole.curve("train/target_tokens")
    other = train(FAST, SURE, "seed=1", folder="c")
    assert other.curve("train/loss") != pytest.approx(whole.curve("train/loss"), rel=1e-3)


def test_batch_and_accumulation_are_one_number_in_the_key(lab: Callable[..., Lab]) -> None:
    keys = [lab(f"method.batch_size={b}", f"method.accumulation={a}").artifact.key for b, a in ((8, 1), (4, 2), (4, 1))]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("rows", "epochs", "most", "steps"),
    [(32, 1.0, None, 4), (33, 1.0, None, 5), (3, 1.0, None, 1), (32, 2.5, 7, 7), (32, 0.5, None, 2)],
)
def test_number_of_steps(rows: int, epochs: float, most: int | None, steps: int) -> None:
    rest: dict[str, Any] = {
        "decay": "cosine",
        "warmup": 0.0,
        "clip": 1.0,
        "evaluate_every": 5,
        "patience": 1,
        "threshold": 0.0,
    }
    schedule = Schedule(batch_size=4, accumulation=2, epochs=epochs, max_steps=most, **rest)
    assert schedule.num_steps(rows) == steps


# Stopping and going on


def test_it_stops_when_nothing_gets_better(train: Callable[..., Any]) -> None:
    hopeless = ["method.max_steps=20", "method.evaluate_every=2", "method.patience=2", "method.threshold=50"]
    done = train(*hopeless)
    assert done.report.stopped == "early"
    assert done.report.num_steps == 6  # the first evaluation is an improvement on nothing, two more are not
    assert math.isfinite(done.report.best_validation_loss)


class Killed(Exception):  # noqa: N818 - it stands for a signal
    pass


def interrupted(train: Callable[..., Any], *overrides: str, at: int, what: str, folder: str) -> Any:
    """Train, let the listener raise when it hears `what` of step `at`, and run the same line again."""

    def stop(step: int, metrics: Any) -> None:
        if step == at and what in metrics:
            raise Killed

    with pytest.raises(Killed):
        train(*overrides, folder=folder, listen=stop)
    return train(*overrides, folder=folder)


@pytest.mark.parametrize(("at", "what"), [(2, "train/loss"), (3, "validation/loss"), (5, "train/loss")])
def test_an_interrupted_training_ends_with_the_same_bytes(at: int, what: str, train: Callable[..., Any]) -> None:
    whole = train(FAST, folder="whole")
    again = interrupted(train, FAST, at=at, what=what, folder="killed")
    assert again.adapter == whole.adapter
    assert again.report.best_validation_loss == whole.report.best_validation_loss
    assert again.report.num_segments == 2
    first, second = sorted((again.folder / "segments").glob("*.json"))
    seconds = [json.loads(path.read_text())["seconds"] for path in (first, second)]
    assert again.report.wall_seconds == pytest.approx(sum(seconds))
    assert again.report.num_target_tokens == whole.report.num_target_tokens


def test_a_torn_checkpoint_is_not_gone_on_from(train: Callable[..., Any]) -> None:
    whole = train(FAST, folder="whole")
    done = train(FAST, folder="torn")
    latest = done.folder / "checkpoints" / "checkpoint-6"
    (latest / "optimizer.pt").write_bytes((latest / "optimizer.pt").read_bytes()[:-7])
    again = train(FAST, folder="torn")
    assert [step for step, metrics in again.heard if "train/loss" in metrics] == [4, 5, 6]
    assert again.adapter == whole.adapter


def test_a_training_that_had_stopped_early_does_not_go_on(train: Callable[..., Any]) -> None:
    hopeless = ["method.max_steps=20", "method.evaluate_every=2", "method.patience=2", "method.threshold=50"]
    done = train(*hopeless)
    before = done.adapter
    (
        done.folder / "adapter" / "adapter_model.safetensors"
    ).unlink()  # killed between the last checkpoint and the adapter
    again = train(*hopeless)
    assert again.adapter == before
    assert (again.report.num_steps, again.report.stopped) == (6, "early")
    assert again.curve("train/loss") == []


# Mistakes


def test_a_misspelt_projection_is_told_with_those_that_exist(train: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"q_prj matches no layer.*down_proj, gate_proj, k_proj.*q_proj"):
        train("method.adapter.projections=[q_prj,v_proj]")


def test_qlora_wants_a_model_of_four_bits(lab: Callable[..., Lab]) -> None:
    with pytest.raises(ConfigError, match=r"model\.quantization is none; say model\.quantization=nf4, or method=lora"):
        lab("method=qlora", "model.quantization=none").check()
    lab("method=lora", "model.quantization=none").check()


def test_a_length_that_no_row_has_is_told_with_the_remedy(train: Callable[..., Any], tiny_engine: Any) -> None:
    with pytest.raises(
        DataError, match=r"none of its 32 rows is within .* has \d+ tokens\); raise method\.objective\.max_length"
    ):
        train("method.objective.max_length=4")
    assert not any("lora" in name for name, _ in tiny_engine("nf4").module.named_modules())
