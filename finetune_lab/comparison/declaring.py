"""Decision rules and primary metrics, written down with a time before the first result of a group."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finetune_lab.fingerprint import describe, fingerprint
from finetune_lab.once import read_note, write_atomically
from finetune_lab.store.folders import DECLARED, read_json


@dataclass(frozen=True, kw_only=True)
class Declared:
    """When rules were declared (None: never with a run of the group), and when the group's first result was there."""

    digest: str
    at: str | None
    first_result: str | None
    others: tuple[str, ...]

    @property
    def beforehand(self) -> bool:
        """Whether the rules stood before anything was scored."""
        return self.at is not None and (self.first_result is None or self.at <= self.first_result)

    def sentence(self) -> str:
        """What a reader must know before believing a decision."""
        first = self.first_result or "not there yet"
        if self.at is None:
            line = f"rules {self.digest} were NOT declared with any run of the group; first result {first}"
        else:
            when = "before" if self.beforehand else "only AFTER"
            line = f"rules {self.digest} were declared {self.at}, {when} the first result ({first})"
        more = f"; the group declares others too: {', '.join(self.others)}" if self.others else ""
        return line + more


def declare(outputs: Path, group: str, rules: Any) -> Path | None:
    """Write groups/<group>/rules-<digest>.json once; rules that were declared keep their time. None: no rules."""
    if rules is None:
        return None
    path = _path(outputs, group, rules)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        said = {"declared": now, "digest": fingerprint(rules), "primary": list(rules.primary), "rules": describe(rules)}
        write_atomically(path, json.dumps(said, indent=2))
    return path


def declared(outputs: Path, group: str, rules: Any, results: Iterable[str]) -> Declared:
    """How the declaration of `rules` stands to the times of the `results` (ISO 8601, UTC, whole seconds)."""
    path = _path(outputs, group, rules)
    others = sorted(other.stem for other in path.parent.glob(f"{DECLARED}*.json") if other != path)
    return Declared(
        digest=fingerprint(rules),
        at=str(read_json(path)["declared"]) if path.exists() else None,
        first_result=min(results, default=None),
        others=tuple(others),
    )


def result_times(store: Any, members: Iterable[Any]) -> list[str]:
    """When each member's evaluations were made and when it joined; bases count where they were scored for the group."""
    found = []
    for member in members:
        notes = [read_note(row.folder) for row in store.evaluations(member.run)]
        found += [str(note["made"]["time"]) for note in notes if note and "time" in note.get("made", {})]
        found += [member.joined] if member.joined else []
    return found


def _path(outputs: Path, group: str, rules: Any) -> Path:
    return outputs / "groups" / group / f"{DECLARED}{fingerprint(rules)}.json"
