"""The run that others are set against: found by its label within a group, or by its key, among the kept folders."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_lab.errors import LabError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.records import Artifact
from finetune_lab.store.folders import memberships, note_of, read_json


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An artifact to be set against. `arm` names what made it without its seed: seeds of one arm share a measure."""

    artifact: Artifact
    arm: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The maker of a run of another line: what it answered and scored can be read, nothing new can be asked of it."""

    label: str

    def apply(self, _: Any, folder: Path) -> AbstractContextManager[Any]:
        raise LabError(
            f"{folder}: {self.label} has not answered or scored these rows under these settings; "
            "run its own line with the same eval and decoding first"
        )


def find_reference(outputs: Path, group: str, wanted: str, seed: int, asker: str) -> Reference:
    """The finished run with this key, or the group's run of this label and seed.

    Raises LabError, naming the field `asker` and what there is, where none or more than one fits.
    """
    kept = {folder.name.rpartition("-")[2]: folder for folder in sorted((outputs / "runs").glob("*-*"))}
    notes = {}
    for path in memberships(outputs):
        member = read_json(path)
        folder = kept.get(member["run"])
        if folder is not None and (path.parent.name == group or member["run"] == wanted):
            notes[member["run"]] = (note_of(folder, "run"), folder)
    fitting = {
        key: found
        for key, found in notes.items()
        if key == wanted or (_is(found[0], wanted, seed) and wanted not in notes)
    }
    if len(fitting) != 1:
        known = ", ".join(sorted({f"{note['label']} (seed {note['seed']}, {key})" for key, (note, _) in notes.items()}))
        found = "several runs" if fitting else "no finished run"
        raise LabError(
            f"{asker}: {found} {wanted!r} with seed {seed} in group {group}; known: base{', ' * bool(known)}{known}"
        )
    key, (note, folder) = next(iter(fitting.items()))
    artifact = Artifact(key=key, label=note["label"], folder=folder, maker=Finished(label=note["label"]))
    return Reference(artifact=artifact, arm=key if key == wanted else fingerprint(note["identity"][:-1]))


def _is(note: dict[str, Any], label: str, seed: int) -> bool:
    return bool(note["label"] == label and note["seed"] == seed)
