"""An adapter that was trained elsewhere: a PEFT folder, scored and compared like one of ours."""

import json
from contextlib import AbstractContextManager
from math import prod
from pathlib import Path
from typing import Any, ClassVar

from finetune_lab.errors import ConfigError, DataError, WorldError
from finetune_lab.fingerprint import digest_of_files, fingerprint
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.protocols import Job, LanguageModel, ModelSource
from finetune_lab.records import TrainingReport

CONFIG, RECORD = "adapter_config.json", "outside.json"
PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
# where it was trained and how it was last loaded, not what it does
_NOT_IDENTITY = ("base_model_name_or_path", "revision", "inference_mode", "peft_version", "auto_mapping")
_PROMPTS = ("PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "MULTITASK_PROMPT_TUNING", "CPT", "ADAPTION_PROMPT")


@plugin
class Adapter:
    """`path` is the folder; nothing of it is copied, and an artifact stands for what it held when it was made."""

    trains: ClassVar[bool] = False
    path: Path

    def identity(self) -> dict[str, Any]:
        """What the adapter does, by content: its weights and its settings, not its place."""
        settings = self._settings()
        kept = {name: _ordered(value) for name, value in settings.items() if name not in _NOT_IDENTITY}
        return {"settings": json.dumps(kept, sort_keys=True), "weights": digest_of_files(self._weights(), self.path)}

    def check(self, model: ModelSource) -> None:
        """Raise WorldError for a folder that is no adapter, ConfigError for one that is for another kind of model."""
        settings = self._settings()
        self._weights()
        if settings.get("peft_type") in _PROMPTS:
            kind = settings["peft_type"]
            raise ConfigError(f"method.path: {self.path} is {kind}: only adapters on weights are applied")
        wanted = settings.get("target_modules")
        if isinstance(wanted, list) and not {name.rpartition(".")[2] for name in wanted} & set(model.projections):
            raise ConfigError(
                f"method.path: {self.path} is for the layers {', '.join(sorted(wanted))}, and this model's are "
                f"{', '.join(model.projections)}: it was trained on another kind of model"
            )

    def train(self, job: Job) -> TrainingReport:
        """Record what stands for this run; the folder stays where it is."""
        self.check(job.source)
        weights = self._weights()
        record = {"path": str(self.path), "digest": fingerprint(self)}
        write_atomically(job.folder / RECORD, json.dumps(record, indent=2))
        return TrainingReport.untrained(
            num_trainable_parameters=sum(map(_num_numbers, weights)),
            adapter_bytes=sum(path.stat().st_size for path in weights),
            extra={"trained_elsewhere": True, "base": self._settings().get("base_model_name_or_path")},
        )

    def apply(self, model: Any, folder: Path) -> AbstractContextManager[LanguageModel]:
        """The model with the adapter. Raises DataError when its content has changed since `folder` was made."""
        digest = json.loads((folder / RECORD).read_text(encoding="utf-8"))["digest"]
        if digest != fingerprint(self):
            raise DataError(f"{self.path} is not the adapter that {folder} stands for: its content has changed")
        return model.with_adapter(self.path)

    def _settings(self) -> dict[str, Any]:
        place = self.path / CONFIG
        if not place.is_file():
            raise WorldError(f"method.path: {self.path} has no {CONFIG}; name a folder in PEFT's form")
        try:
            found = json.loads(place.read_text(encoding="utf-8"))
        except ValueError as error:
            raise WorldError(f"method.path: {place} is not JSON ({error})") from None
        if not isinstance(found, dict):
            raise WorldError(f"method.path: {place} holds no object")
        return found

    def _weights(self) -> list[Path]:
        found = sorted(self.path.glob("*.safetensors"))
        if not found:
            pickled = [path.name for path in sorted(self.path.iterdir()) if path.suffix in PICKLED]
            told = f"only {', '.join(pickled)}, and a pickle can run code: have it saved as" if pickled else "no"
            raise WorldError(f"method.path: {self.path} has {told} .safetensors weights")
        return found


def _ordered(value: Any) -> Any:
    """Lists of names in one order: PEFT writes sets, in an order of the day."""
    return sorted(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value


def _num_numbers(path: Path) -> int:
    """How many numbers a safetensors file holds, by its header."""
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
