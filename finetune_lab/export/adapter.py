"""The adapter alone, in PEFT's form, for those who have the base model."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from finetune_lab.comparison.parity import Limits
from finetune_lab.inference.engine import Engine
from finetune_lab.inference.exporting import Trained, write_adapter, write_chat
from finetune_lab.plugin import plugin


@plugin
class Adapter:
    """Weights and settings as they were trained; the base's place on this machine becomes its name."""

    title: ClassVar[str] = "the adapter alone, for the base model named above"
    library: ClassVar[str] = "peft"
    limits: Limits

    def check(self) -> None:
        """Nothing is needed."""

    def write(self, trained: Trained, folder: Path) -> None:
        """Copy what is PEFT's, leave the rest."""
        write_adapter(trained.adapter, folder, trained.base_name)
        write_chat(trained.chat, folder)

    def open(self, trained: Trained, folder: Path) -> AbstractContextManager[Engine]:
        """The base, loaded again, with the adapter in `folder`."""
        base = trained.source.load(trained.runtime)
        assert isinstance(base, Engine)
        return base.with_adapter(folder)
