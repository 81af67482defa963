"""The adapter alone, in PEFT's form, for those who have the base model."""

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from finetune_lab.comparison.parity import Limits
from finetune_lab.inference.engine import Engine
from finetune_lab.inference.exporting import Trained, write_chat
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin

_CONFIG = "adapter_config.json"


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
        for path in sorted(trained.adapter.glob("*.safetensors")):
            shutil.copyfile(path, folder / path.name)
        settings = json.loads((trained.adapter / _CONFIG).read_text(encoding="utf-8"))
        settings |= {"base_model_name_or_path": trained.base_name, "inference_mode": True}
        write_atomically(folder / _CONFIG, json.dumps(settings, indent=2, sort_keys=True))
        write_chat(trained.chat, folder)

    def open(self, trained: Trained, folder: Path) -> AbstractContextManager[Engine]:
        """The base, loaded again, with the adapter in `folder`."""
        base = trained.source.load(trained.runtime)
        assert isinstance(base, Engine)
        return base.with_adapter(folder)
