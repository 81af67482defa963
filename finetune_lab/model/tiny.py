"""The embedded model: a small Llama that ships with the package (assets/tiny/README.md)."""

from pathlib import Path
from typing import Any, Literal

from finetune_lab.fingerprint import digest_of_files
from finetune_lab.inference.checkpoint import Checkpoint
from finetune_lab.planning.shape import Shape, shape_of
from finetune_lab.plugin import plugin
from finetune_lab.protocols import Chat, LanguageModel, Runtime

ASSETS = Path(__file__).resolve().parent.parent / "assets" / "tiny"


@plugin
class Tiny:
    """`projections` names the linear layers that adapters go to."""

    quantization: Literal["nf4", "int8", "none"]
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    projections: tuple[str, ...]

    def identity(self) -> dict[str, Any]:
        weights = digest_of_files([*sorted(ASSETS.glob("*.safetensors")), ASSETS / "config.json"], ASSETS)
        return {
            "weights": weights,
            "tokenizer": self.tokenizer_digest(),
            "quantization": self.quantization,
            "projections": self.projections,
        }

    def tokenizer_digest(self) -> str:
        return digest_of_files(sorted(ASSETS.glob("*token*.json")) + sorted(ASSETS.glob("*.jinja")), ASSETS)

    def check(self, runtime: Runtime) -> None:
        """Nothing to check: the weights ship with the package."""

    def shape(self) -> Shape | None:
        """Its matrices, by the headers of its files."""
        return shape_of(ASSETS, self.projections)

    def load(self, runtime: Runtime) -> LanguageModel:
        from finetune_lab.inference.loading import load_engine

        precision = runtime.precision(self.precision)
        return load_engine(Checkpoint(source=str(ASSETS), quantization=self.quantization, precision=precision), runtime)

    def chat(self) -> Chat:
        """The tokenizer with its template, without the weights."""
        from finetune_lab.inference.loading import load_chat

        return load_chat(Checkpoint(source=str(ASSETS)))
