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
        return TrainingReport.untrained()

    def apply(self, model: Any, folder: Path) -> AbstractContextManager[LanguageModel]:
        """The model without any adapter."""
        bare: AbstractContextManager[LanguageModel] = model.as_base()
        return bare
