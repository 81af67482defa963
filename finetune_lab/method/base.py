"""No training: the model as it is loaded, so that a group's tables and sweeps can hold it as an arm."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from finetune_lab.plugin import plugin
from finetune_lab.protocols import Job, LanguageModel, ModelSource
from finetune_lab.records import TrainingReport


@plugin
class Base:
    """Has no knobs."""

    def check(self, model: ModelSource) -> None:
        """Any model will do."""

    def train(self, job: Job) -> TrainingReport:
        """Nothing is learned and nothing written."""
        return TrainingReport(
            num_steps=0,
            best_step=0,
            best_validation_loss=None,
            final_training_loss=None,
            num_target_tokens=0,
            num_input_tokens=0,
            wall_seconds=0.0,
            num_segments=0,
            peak_bytes=0,
            num_trainable_parameters=0,
            num_parameters=0,
            adapter_bytes=0,
            stopped="steps",
        )

    def apply(self, model: Any, folder: Path) -> AbstractContextManager[LanguageModel]:
        """The model without any adapter."""
        bare: AbstractContextManager[LanguageModel] = model.as_base()
        return bare
