"""What a finished training left: whether it is there, and where its adapter lies."""

from contextlib import AbstractContextManager, nullcontext
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
    with artifact.maker.apply(_Asked(), artifact.place) as found:
        if not isinstance(found, Path):
            raise ConfigError(f"{artifact.label} leaves no adapter, so there is nothing to export or to serve by name")
        return found


class _Asked:
    """Stands where a model is switched over, and tells which folder was asked for."""

    def with_adapter(self, folder: Path) -> AbstractContextManager[Any]:
        return nullcontext(folder)

    def as_base(self) -> AbstractContextManager[Any]:
        return nullcontext(None)
