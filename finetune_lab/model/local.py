"""A Hugging Face model folder on this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import digest_of_files
from finetune_lab.inference.checkpoint import Checkpoint, template_text
from finetune_lab.planning.shape import Shape, shape_of
from finetune_lab.plugin import plugin
from finetune_lab.protocols import Chat, LanguageModel, Runtime


@plugin
class Local:
    """`path` is the folder; `template` names a chat template where the tokenizer brings none."""

    path: Path
    quantization: Literal["nf4", "int8", "none"]
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    projections: tuple[str, ...]
    template: str | None
    template_options: Mapping[str, Any]

    def identity(self) -> dict[str, Any]:
        """The content of the folder, not its place."""
        self._check_folder()
        weights = digest_of_files([*sorted(self.path.glob("*.safetensors")), self.path / "config.json"], self.path)
        return {
            "weights": weights,
            "tokenizer": self.tokenizer_digest(),
            "quantization": self.quantization,
            "projections": self.projections,
        }

    def tokenizer_digest(self) -> str:
        self._check_folder()
        files = sorted({*self.path.glob("*token*.json"), *self.path.glob("*.jinja"), *self.path.glob("*.model")})
        own = digest_of_files(files, self.path)
        return f"{own} {template_text(self.template)} {sorted(self.template_options.items())}"

    def check(self, runtime: Runtime) -> None:
        """Raise WorldError when the folder is no model folder."""
        self._check_folder()

    def _check_folder(self) -> None:
        if not self.path.is_dir():
            raise WorldError(f"model.path: there is no folder {self.path}")
        if not (self.path / "config.json").is_file():
            raise WorldError(f"model.path: {self.path} has no config.json; name a folder in Hugging Face's form")
        if not any(self.path.glob("*.safetensors")):
            raise WorldError(f"model.path: {self.path} has no .safetensors weights (pickled weights are not loaded)")

    def shape(self) -> Shape | None:
        """Its matrices, by the headers of its files; None where config.json does not tell enough."""
        return shape_of(self.path, self.projections)

    def load(self, runtime: Runtime) -> LanguageModel:
        from finetune_lab.inference.loading import load_engine

        return load_engine(self._checkpoint(runtime.precision(self.precision)), runtime)

    def chat(self) -> Chat:
        """The tokenizer with its template, without the weights."""
        from finetune_lab.inference.loading import load_chat

        return load_chat(self._checkpoint("float32"))

    def _checkpoint(self, precision: str) -> Checkpoint:
        return Checkpoint(
            source=str(self.path),
            quantization=self.quantization,
            precision=precision,
            template=template_text(self.template),
            template_options=self.template_options,
        )
