"""One fine-tuning, from rows to an adapter on disk; goes on from the last whole checkpoint of a killed one."""

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import EarlyStoppingCallback, TrainingArguments, get_scheduler, set_seed
from transformers.trainer_callback import PrinterCallback

from finetune_lab.once import write_atomically
from finetune_lab.protocols import Job
from finetune_lab.records import TrainingReport
from finetune_lab.training.attach import detach, save
from finetune_lab.training.callback import Follow
from finetune_lab.training.checkpoints import Segments, last_whole, stopped_at
from finetune_lab.training.dropout import quicken
from finetune_lab.training.memory import PeakMemory
from finetune_lab.training.order import num_updates, row_order
from finetune_lab.training.setting import (
    SMALLEST_EVALUATION_BATCH,
    Adapter,
    Encoded,
    Objective,
    Optimizer,
    Setting,
)

log = logging.getLogger(__name__)
_OVERFITTING_NATS = 0.3


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and in what steps; see conf/method/finetune.yaml for the meaning of each."""

    batch_size: int
    accumulation: int
    epochs: float
    max_steps: int | None
    decay: str
    warmup: float
    clip: float
    evaluate_every: int
    patience: int
    threshold: float

    def num_steps(self, num_rows: int) -> int:
        """Updates in all."""
        per_update = self.batch_size * self.accumulation
        return num_updates(num_rows, per_update=per_update, epochs=self.epochs, at_most=self.max_steps)


def finetune(
    job: Job, adapter: Adapter, objective: Objective, optimizer: Optimizer, schedule: Schedule
) -> TrainingReport:
    """Train an adapter into `job.folder`/adapter; the loaded model is lent and given back bare."""
    engine = job.model()
    encoded = objective.encode(Setting(chat=engine.chat, train=job.train, validation=job.validation))
    _show(encoded, job.folder)
    set_seed(job.seed)
    model = adapter.attach(engine.module, job.source.projections)
    if job.runtime.resolved_device() == "cpu":
        quicken(model)
    try:
        return _trained(job, model, adapter, objective, optimizer, schedule, encoded)
    finally:
        detach(adapter, model)
        engine.module.eval()


def _show(encoded: Encoded, folder: Path) -> None:
    write_atomically(folder / "proof.json", json.dumps(encoded.proof.to_json(), indent=2))
    for line in encoded.proof.lines():
        log.info(line)


def _trained(
    job: Job,
    model: Any,
    adapter: Adapter,
    objective: Objective,
    optimizer: Optimizer,
    schedule: Schedule,
    encoded: Encoded,
) -> TrainingReport:
    steps = schedule.num_steps(len(encoded.train))
    lengths = [len(row.ids) for row in encoded.train]
    per_step = schedule.batch_size * schedule.accumulation
    # by whole updates: into how many passes one is cut does not change which rows it sees
    order = row_order(lengths, batch_size=per_step, num_batches=steps, seed=job.seed)
    kept = last_whole(job.folder / "checkpoints")
    to_do = stopped_at(kept, schedule.patience) or steps
    tokens = _running(order, [sum(row.targets) for row in encoded.train], per_step)
    segments, memory = Segments(job.folder), PeakMemory(job.runtime.resolved_device())
    update = optimizer.make(model)
    getattr(optimizer, "begin", lambda *_: None)(update, job.model().chat, job.folder)
    own: Callable[[], Mapping[str, float]] = getattr(update, "metrics", dict)  # an optimizer may have some to show
    follow = Follow(listen=job.listen, segments=segments, memory=memory, tokens_at_step=tokens, more=own)
    decay = get_scheduler(schedule.decay, update, math.ceil(schedule.warmup * steps), steps)
    stop = EarlyStoppingCallback(schedule.patience, schedule.threshold)
    trainer = objective.trainer(
        model,
        _arguments(job, schedule, to_do),
        encoded,
        order[: to_do * per_step],
        optimizers=(update, decay),
        callbacks=[follow, stop],
    )
    trainer.remove_callback(PrinterCallback)
    if kept:
        log.info("resuming from %s", kept)
    trainer.train(resume_from_checkpoint=str(kept) if kept else None)
    save(adapter, trainer.model, job.folder / "adapter")
    getattr(update, "save_curvature", lambda folder: None)(job.folder)
    return _report(job, trainer, segments, memory, tokens, _running(order, lengths, per_step), steps, dict(own()))


def _running(order: list[int], amounts: list[int], per_step: int) -> list[int]:
    """Amounts added up to each step; entry 0 is 0."""
    totals = [0]
    for start in range(0, len(order), per_step):
        totals.append(totals[-1] + sum(amounts[row] for row in order[start : start + per_step]))
    return totals


def _arguments(job: Job, schedule: Schedule, steps: int) -> TrainingArguments:
    precision = job.runtime.precision(job.source.precision)
    device = job.runtime.resolved_device()
    every = min(schedule.evaluate_every, steps)
    return TrainingArguments(
        output_dir=str(job.folder / "checkpoints"),
        per_device_train_batch_size=schedule.batch_size,
        per_device_eval_batch_size=max(schedule.batch_size, SMALLEST_EVALUATION_BATCH),
        gradient_accumulation_steps=schedule.accumulation,
        max_steps=steps,
        max_grad_norm=schedule.clip,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=job.runtime.checkpoints_kept,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        restore_callback_states_from_checkpoint=True,
        logging_steps=min(job.runtime.log_every_steps, steps),
        logging_nan_inf_filter=False,
        report_to=[],
        seed=job.seed,
        train_sampling_strategy="sequential",  # the rows are already in their order
        remove_unused_columns=False,
        prediction_loss_only=True,
        activation_checkpointing=job.runtime.checkpoints_gradients(),
        activation_checkpointing_kwargs={"use_reentrant": False},
        bf16=precision == "bfloat16" and device == "cuda",
        fp16=precision == "float16" and device == "cuda",
        use_cpu=device == "cpu",
        dataloader_pin_memory=device == "cuda",
        disable_tqdm=not job.runtime.shows_progress(),
    )


def _report(
    job: Job,
    trainer: Any,
    segments: Segments,
    memory: PeakMemory,
    targets: list[int],
    inputs: list[int],
    steps: int,
    extra: dict[str, float],
) -> TrainingReport:
    state = trainer.state
    losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
    best = min((e for e in state.log_history if "eval_loss" in e), key=lambda e: e["eval_loss"], default=None)
    segments.beat(peak_bytes=memory.read())
    seconds, num_segments = segments.total()
    trainable, total = trainer.model.get_nb_trainable_parameters()
    _warn_of_overfitting(losses, state.log_history)
    return TrainingReport(
        num_steps=state.global_step,
        best_step=best["step"] if best else state.global_step,
        best_validation_loss=best["eval_loss"] if best else None,
        final_training_loss=losses[-1] if losses else None,
        num_target_tokens=targets[state.global_step],
        num_input_tokens=inputs[state.global_step],
        wall_seconds=seconds,
        num_segments=num_segments,
        peak_bytes=segments.peak_bytes(),
        num_trainable_parameters=trainable,
        num_parameters=total,
        adapter_bytes=sum(path.stat().st_size for path in (job.folder / "adapter").glob("*.safetensors")),
        stopped="early" if state.global_step < steps else "steps",
        extra=extra,
    )


def _warn_of_overfitting(losses: list[float], history: list[dict[str, Any]]) -> None:
    validation = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    if losses and validation and validation[-1] - losses[-1] > _OVERFITTING_NATS:
        log.info(
            "note     validation loss %.3f is more than %.1f above training loss %.3f: fewer epochs or more data",
            validation[-1],
            _OVERFITTING_NATS,
            losses[-1],
        )
