"""Several adapters on one loaded model, told apart by name and switched between two steps of writing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune_lab.inference.engine import Engine


class Adapters:
    """What is switched on. The name None is the model without any."""

    def __init__(self, tuned: Any, inner: Mapping[str, str]) -> None:
        self._tuned = tuned
        self._inner = inner  # PEFT takes no dots in a name, people do
        self._on: str | None = None

    def use(self, name: str | None) -> None:
        """Switch over; nothing happens where `name` is on already."""
        if name == self._on:
            return
        if name is None:
            self._tuned.base_model.disable_adapter_layers()
        else:
            if self._on is None:
                self._tuned.base_model.enable_adapter_layers()
            self._tuned.set_adapter(self._inner[name])
        self._on = name


@contextmanager
def loaded(engine: Engine, folders: Mapping[str, Path]) -> Iterator[Adapters]:
    """All of them beside one another on a bare engine, which is bare again afterwards."""
    if not folders:
        yield Adapters(None, {})
        return
    from peft import PeftModel

    inner = {name: f"adapter{number}" for number, name in enumerate(folders)}
    tuned: Any = None
    for name, folder in folders.items():
        if tuned is None:
            tuned = PeftModel.from_pretrained(engine.module, str(folder), adapter_name=inner[name])
        else:
            tuned.load_adapter(str(folder), adapter_name=inner[name])
    tuned.eval()
    tuned.base_model.disable_adapter_layers()
    try:
        yield Adapters(tuned, inner)
    finally:
        tuned.unload()
