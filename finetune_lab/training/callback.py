"""What our side of a training hears from the trainer: metrics under our names, whole checkpoints, the time."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from finetune_lab.protocols import Listener
from finetune_lab.training.checkpoints import Segments, mark_whole
from finetune_lab.training.memory import PeakMemory

# The names under which every arm logs, so that a dashboard lays them over one another.
_NAMES = {
    "loss": "train/loss",
    "learning_rate": "train/learning_rate",
    "grad_norm": "train/gradient_norm",
    "eval_loss": "validation/loss",
}


class Follow(TrainerCallback):
    """Passes metrics on, and finishes a checkpoint by the note that says it is whole."""

    def __init__(
        self,
        *,
        listen: Listener,
        segments: Segments,
        memory: PeakMemory,
        tokens_at_step: list[int],
        more: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._more = more  # what the optimizer has to show beside the trainer's own
        self._listen = listen
        self._segments = segments
        self._memory = memory
        self._tokens = tokens_at_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        metrics = {ours: float(logs[theirs]) for theirs, ours in _NAMES.items() if theirs in (logs or {})}
        self._segments.beat(peak_bytes=self._memory.read())
        if metrics:
            seconds, _num = self._segments.total()
            metrics |= {"train/seconds": seconds, "train/target_tokens": float(self._tokens[state.global_step])}
            metrics |= self._more()
            self._listen(state.global_step, metrics)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step >= state.max_steps:
            control.should_evaluate = True  # otherwise what the last steps learned is never among the best

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        self._segments.beat(peak_bytes=self._memory.read())
