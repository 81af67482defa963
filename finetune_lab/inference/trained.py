"""What a finished training left: whether it is there, and where its adapter lies."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.once import read_note
from finetune_lab.records import Artifact


def check_trained(*artifacts: Artifact) -> None:
    """Raise WorldError for an artifact that is not there yet; say how it is made."""
    for artifact in artifacts:
        if artifact.folder is not None and read_note(artifact.folder) is None:
            raise WorldError(
                f"nothing is trained at {artifact.folder}; run the same line with task=run first, "
                "or ask the base with task.which=base"
            )


def adapter_folder(artifact: Artifact) -> Path:
    """The PEFT folder that an artifact's method puts on the model.

    The method is asked as it is in use, so that a folder that lies elsewhere is found and checked too. Raises
    ConfigError for a method that leaves something else than an adapter.
    """
    with opened(artifact, Bare()) as found:
        if found.chat is not None:
            raise ConfigError(
                f"{artifact.label} changes what the model is asked and leaves its weights as they are, so there is no "
                "adapter to export; task=serve, task=chat and task=generate use it as it is"
            )
        if found.adapter is None:
            raise ConfigError(f"{artifact.label} leaves no adapter, so there is nothing to export or to serve by name")
        return found.adapter


def opened(artifact: Artifact, bare: "Bare") -> AbstractContextManager["Bare"]:
    """What an artifact makes of a bare model: an adapter on its weights, another chat before it, or neither."""
    found: AbstractContextManager[Bare] = artifact.maker.apply(bare, artifact.place)
    return found


@dataclass
class Bare:
    """Stands where a model is switched over, and tells to what. A method may read `module` and put its own `chat`."""

    chat: Any = None
    module: Any = None
    adapter: Path | None = None

    def with_adapter(self, folder: Path) -> AbstractContextManager["Bare"]:
        return nullcontext(replace(self, adapter=folder))

    def as_base(self) -> AbstractContextManager["Bare"]:
        return nullcontext(self)
