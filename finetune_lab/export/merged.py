"""One model without an adapter: merged in float32 over the dequantised base, stored as safetensors."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, Literal

from finetune_lab.comparison.parity import Limits
from finetune_lab.inference.engine import Engine
from finetune_lab.inference.exporting import Trained, write_chat, write_model
from finetune_lab.plugin import plugin


@plugin
class Merged:
    """`precision` is what the weights are stored in; auto: what the model was computed in when it was scored."""

    title: ClassVar[str] = "one model, the adapter merged into its weights"
    library: ClassVar[str] = "transformers"
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    limits: Limits

    def check(self) -> None:
        """Nothing is needed."""

    def write(self, trained: Trained, folder: Path) -> None:
        """A folder that Transformers, vLLM and others load as it is."""
        write_model(trained.module, folder, trained.precision(self.precision))
        write_chat(trained.chat, folder)

    def open(self, trained: Trained, folder: Path) -> AbstractContextManager[Engine]:
        """What was written, loaded."""
        return trained.load(folder, precision=trained.precision(self.precision)).as_base()
