"""Fine-tuning as adapter × objective × optimizer: every arm (QLoRA, LoRA, …) is a YAML of this one class."""

import os
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, SkipValidation

from finetune_lab.errors import ConfigError
from finetune_lab.planning.outline import Outline
from finetune_lab.plugin import plugin
from finetune_lab.protocols import Job, LanguageModel, ModelSource
from finetune_lab.records import TrainingReport
from finetune_lab.training.setting import SMALLEST_EVALUATION_BATCH


@plugin
class Finetune:
    """`requires`: the quantization that the model must have, or null for any. Steps are updates of the weights."""

    REVISION: ClassVar[int] = 2
    adapter: SkipValidation[Any]
    objective: SkipValidation[Any]
    optimizer: SkipValidation[Any]
    requires: Literal["nf4"] | None
    batch_size: PositiveInt
    accumulation: PositiveInt
    epochs: PositiveFloat
    max_steps: PositiveInt | None
    decay: Literal["cosine", "linear", "constant", "constant_with_warmup"]
    warmup: float = Field(ge=0, lt=1)
    clip: PositiveFloat
    evaluate_every: PositiveInt
    patience: PositiveInt
    threshold: NonNegativeFloat

    def identity(self) -> dict[str, Any]:
        """All knobs; batch, accumulation and processes as one global batch, since only that changes the result."""
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        kept = {name: getattr(self, name) for name in type(self).__dataclass_fields__}
        return kept | {"batch_size": self.batch_size * self.accumulation * processes, "accumulation": None}

    def check(self, model: ModelSource) -> None:
        """Raise ConfigError for a model that this method is not for."""
        if self.requires and model.quantization != self.requires:
            raise ConfigError(
                f"this method trains on a 4-bit model, and model.quantization is {model.quantization}; "
                f"say model.quantization={self.requires}, or method=lora for plain weights"
            )

    def train(self, job: Job) -> TrainingReport:
        """Fill `job.folder` with an adapter; goes on from the last whole checkpoint."""
        from finetune_lab.training.finetune import Schedule, finetune

        schedule = Schedule(**{name: getattr(self, name) for name in Schedule.__dataclass_fields__})
        return finetune(job, self.adapter, self.objective, self.optimizer, schedule)

    def outline(self) -> Outline:
        """What is asked for before anything is loaded: sizes, lengths and the number of steps."""
        return Outline(
            adapter=self.adapter,
            optimizer=self.optimizer,
            batch_size=self.batch_size,
            accumulation=self.accumulation,
            evaluation_batch_size=max(self.batch_size, SMALLEST_EVALUATION_BATCH),
            max_length=self.objective.max_length,
            epochs=self.epochs,
            max_steps=self.max_steps,
            evaluate_every=self.evaluate_every,
        )

    def rehearsal(self, num_steps: int) -> "Finetune":
        """The same method for so many steps, evaluated once at their end."""
        return replace(self, max_steps=num_steps, epochs=float(num_steps), evaluate_every=num_steps)

    def apply(self, model: Any, folder: Path) -> AbstractContextManager[LanguageModel]:
        """The model with the adapter in `folder`."""
        return model.with_adapter(folder / "adapter")
