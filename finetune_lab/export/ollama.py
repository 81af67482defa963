"""A folder for `ollama create`: a GGUF file and the Modelfile that says how it is talked to."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import SkipValidation

from finetune_lab.comparison.parity import Limits
from finetune_lab.inference.engine import Engine
from finetune_lab.inference.exporting import Trained
from finetune_lab.inference.gguf_file import FILE
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.text.ollama import modelfile


@plugin
class Ollama:
    """`weights` is the export that writes the file; its limits hold."""

    title: ClassVar[str] = "a GGUF file with an Ollama Modelfile"
    library: ClassVar[str] = "gguf"
    weights: SkipValidation[Any]

    @property
    def limits(self) -> Limits:
        """Those of the file."""
        found = self.weights.limits
        assert isinstance(found, Limits)
        return found

    def check(self) -> None:
        """What the file needs."""
        self.weights.check()

    def write(self, trained: Trained, folder: Path) -> None:
        """model.gguf and Modelfile: `ollama create NAME -f Modelfile` in this folder makes the model known."""
        text = modelfile(trained.chat, trained.decoding, FILE)  # before the weights: it is what may be refused
        self.weights.write(trained, folder)
        write_atomically(folder / "Modelfile", text)

    def open(self, trained: Trained, folder: Path) -> AbstractContextManager[Engine]:
        """The weights of the file."""
        found: AbstractContextManager[Engine] = self.weights.open(trained, folder)
        return found
