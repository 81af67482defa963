"""One model without an adapter in 4 bits: merged in float32, then rounded once to NF4 by bitsandbytes."""

from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Literal

from finetune_lab.comparison.parity import Limits
from finetune_lab.inference.engine import Engine
from finetune_lab.inference.exporting import Trained, write_chat, write_model
from finetune_lab.plugin import plugin


@plugin
class Nf4:
    """`precision` is what it is computed in, and what the layers that stay unquantised are stored in.

    Rounding after the merge loses a part of what was learned; how much, the limits say.
    """

    title: ClassVar[str] = "one model in 4 bits (NF4), the adapter merged before rounding"
    library: ClassVar[str] = "transformers"
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    limits: Limits

    def check(self) -> None:
        """Nothing is needed: bitsandbytes comes with the package."""

    def write(self, trained: Trained, folder: Path) -> None:
        """A folder that Transformers loads in 4 bits without being asked to."""
        precision = trained.precision(self.precision)
        with TemporaryDirectory(dir=folder.parent) as plain:
            write_model(trained.module, Path(plain), "float32")
            write_chat(trained.chat, Path(plain))
            rounded = trained.load(Path(plain), precision=precision, quantization="nf4")
        rounded.module.save_pretrained(folder)
        write_chat(trained.chat, folder)

    def open(self, trained: Trained, folder: Path) -> AbstractContextManager[Engine]:
        """What was written, loaded."""
        return trained.load(folder, precision=trained.precision(self.precision)).as_base()
