"""Checkpoints that are whole or not there, and the time that all segments of a training took together."""

import json
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_lab.once import write_atomically
from finetune_lab.protocols import LanguageModel

_WHOLE = "whole.json"


def mark_whole(checkpoint: Path) -> None:
    """Note the size of every file of a checkpoint that was written to its end."""
    sizes = {p.relative_to(checkpoint).as_posix(): p.stat().st_size for p in checkpoint.rglob("*") if p.is_file()}
    write_atomically(checkpoint / _WHOLE, json.dumps(sizes))


def last_whole(folder: Path) -> Path | None:
    """The latest whole checkpoint below `folder`; torn ones (a kill while writing) are removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    whole = [path for path in found if _is_whole(path)]
    for path in found:
        if path not in whole:
            shutil.rmtree(path)
    return whole[-1] if whole else None


def whole_checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints of a run that were written to their end and are still there, by step, the earliest first."""
    found = {int(path.name.rpartition("-")[2]): path for path in (folder / "checkpoints").glob("checkpoint-*")}
    return {step: found[step] for step in sorted(found) if _is_whole(found[step])}


@dataclass(frozen=True, kw_only=True)
class CheckpointMaker:
    """Turns a checkpoint's folder, which holds the adapter itself, into a model: what `Artifact.maker` asks for."""

    def apply(self, model: Any, folder: Path) -> AbstractContextManager[LanguageModel]:
        return model.with_adapter(folder)


def _is_whole(checkpoint: Path) -> bool:
    note = checkpoint / _WHOLE
    if not note.exists():
        return False
    try:
        sizes = json.loads(note.read_text())
    except ValueError:  # a disk that was full, or a machine that went down
        return False
    return all((checkpoint / name).is_file() and (checkpoint / name).stat().st_size == n for name, n in sizes.items())


def stopped_at(checkpoint: Path | None, patience: int) -> int | None:
    """The step of a checkpoint if the training had stopped early there, else None.

    A killed training must not go on from where it had ended: nothing but the adapter was missing.
    """
    if checkpoint is None:
        return None
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    stop = state["stateful_callbacks"].get("EarlyStoppingCallback", {}).get("attributes", {})
    return state["global_step"] if stop.get("early_stopping_patience_counter", 0) >= patience else None


class Segments:
    """Wall seconds of a training over all its processes: each notes its start and, now and then, how far it came."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "segments"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / f"{time.time_ns()}.json"
        self._started = time.monotonic()
        self.beat()

    def beat(self, **facts: float) -> None:
        """Note the time so far; `facts` (peak bytes) go with it."""
        write_atomically(self._path, json.dumps({"seconds": time.monotonic() - self._started, **facts}))

    def total(self) -> tuple[float, int]:
        """Seconds of all segments, and how many there were."""
        notes = [json.loads(path.read_text()) for path in sorted(self._folder.glob("*.json"))]
        return sum(note["seconds"] for note in notes), len(notes)

    def peak_bytes(self) -> int:
        """The largest peak of any segment."""
        return max(int(json.loads(path.read_text()).get("peak_bytes", 0)) for path in self._folder.glob("*.json"))
