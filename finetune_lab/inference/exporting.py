"""What the formats of an export share: what there is to export, and how models and tokenizers are written."""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from finetune_lab.inference.checkpoint import Checkpoint
from finetune_lab.inference.engine import Engine
from finetune_lab.inference.loading import DTYPES, load_engine
from finetune_lab.inference.merging import merged
from finetune_lab.once import write_atomically
from finetune_lab.protocols import ModelSource
from finetune_lab.records import Decoding
from finetune_lab.text.chat import Chat

_ADAPTER = "adapter_config.json"


@dataclass(frozen=True)
class Trained:
    """An adapter with the model below it. `base_name` is what people and the hub call that model."""

    adapter: Path
    base: Callable[[], Engine]  # bare; loaded once
    source: ModelSource
    runtime: Any
    decoding: Decoding
    base_name: str

    @cached_property
    def module(self) -> Any:
        """The model with the adapter in its weights: float32, on the CPU."""
        return merged(self.base(), self.adapter)

    @property
    def chat(self) -> Chat:
        """The tokenizer and template that it was trained and scored with."""
        return self.base().chat

    def precision(self, asked: str) -> str:
        """`auto` is what the model was computed in when it was scored."""
        return self.runtime.precision(self.source.precision) if asked == "auto" else asked

    def load(self, folder: Path, *, precision: str, quantization: str = "none") -> Engine:
        """What was written to `folder`, with the weights and the tokenizer that lie there."""
        checkpoint = Checkpoint(source=str(folder), precision=precision, quantization=quantization)
        return load_engine(checkpoint, self.runtime)


def write_model(module: Any, folder: Path, precision: str) -> None:
    """Weights as safetensors in a precision, with config and generation settings."""
    dtype = DTYPES[precision]
    kept = {name: weight.to(dtype) for name, weight in module.state_dict().items()}
    settings, module.config.dtype = module.config.dtype, dtype
    try:
        module.save_pretrained(folder, state_dict=kept)
    finally:
        module.config.dtype = settings


def write_adapter(adapter: Path, folder: Path, base_name: str) -> None:
    """Weights and settings of an adapter, without what else lies beside them; the base is called by its name."""
    for path in sorted(adapter.glob("*.safetensors")):
        shutil.copyfile(path, folder / path.name)
    settings = json.loads((adapter / _ADAPTER).read_text(encoding="utf-8"))
    settings |= {"base_model_name_or_path": base_name, "inference_mode": True}
    write_atomically(folder / _ADAPTER, json.dumps(settings, indent=2, sort_keys=True))


def write_chat(chat: Chat, folder: Path) -> None:
    """Tokenizer and template, as they were used: a template that the config named is the tokenizer's own from here."""
    tokenizer = deepcopy(chat.tokenizer)
    if chat.template:
        tokenizer.chat_template = chat.template
    tokenizer.save_pretrained(folder)
