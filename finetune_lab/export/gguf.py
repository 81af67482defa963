"""A GGUF file for llama.cpp, Ollama, LM Studio and others."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal

from finetune_lab.comparison.parity import Limits
from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import file_digest
from finetune_lab.inference.engine import Engine
from finetune_lab.inference.exporting import Trained, write_chat, write_model
from finetune_lab.inference.gguf_file import FILE, check_writable, read_gguf, write_gguf
from finetune_lab.plugin import plugin

log = logging.getLogger(__name__)


@plugin
class Gguf:
    """`converter` is llama.cpp's convert_hf_to_gguf.py, for what the own writer (Llama, byte-level BPE) does not know.

    `precision` is that of the weights; norms stay in f32. The parity gate reads the file back through Transformers.
    """

    title: ClassVar[str] = "one GGUF file for llama.cpp and its kin"
    library: ClassVar[str] = "gguf"
    precision: Literal["f32", "f16", "bf16"]
    converter: Path | None
    limits: Limits

    def identity(self) -> dict[str, Any]:
        """The converter by its content."""
        converter = None if self.converter is None else file_digest(self.converter)
        return {"precision": self.precision, "converter": converter, "limits": self.limits}

    def check(self) -> None:
        """Raise WorldError where the package or the converter is missing."""
        if find_spec("gguf") is None:
            raise WorldError("a GGUF file needs the package gguf: pip install 'finetune-lab[gguf]'")
        if self.converter is not None and not self.converter.is_file():
            raise WorldError(f"task.format.converter: there is no file {self.converter}")

    def write(self, trained: Trained, folder: Path) -> None:
        """model.gguf, and the tokenizer's files beside it for programs that read those."""
        if self.converter is None:
            check_writable(trained.base().module)
            write_gguf(trained.module, trained.chat, folder / FILE, self.precision)
        else:
            self._convert(trained, self.converter, folder)
        write_chat(trained.chat, folder)

    def _convert(self, trained: Trained, converter: Path, folder: Path) -> None:
        with TemporaryDirectory(dir=folder.parent) as plain:
            write_model(trained.module, Path(plain), "float32")
            write_chat(trained.chat, Path(plain))
            line = [sys.executable, str(converter), plain, "--outfile", str(folder / FILE), "--outtype", self.precision]
            done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            last = " ".join(done.stderr.strip().splitlines()[-3:])
            raise WorldError(f"{converter} could not convert this model: {last[-600:]}")

    @contextmanager
    def open(self, trained: Trained, folder: Path) -> Iterator[Engine]:
        """The weights of the file, read by Transformers."""
        module = read_gguf(folder / FILE).to(trained.base().device).eval()
        module.generation_config = trained.module.generation_config
        yield Engine(
            module=module,
            chat=trained.chat,
            device=trained.base().device,
            max_batch_rows=trained.runtime.inference_batch_rows,
            max_batch_tokens=trained.runtime.inference_batch_tokens,
        )
