"""From a description to a short name: equal descriptions have equal names, on any machine and any day."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_CACHE_ABOVE_BYTES = 16_000_000  # a smaller file is hashed faster than a cache is read and trusted


def fingerprint(*parts: Any) -> str:
    """Name what `parts` (plugins, lists, strings, numbers) describe together, in order: 12 letters.

    Letters alone, since a name of digits (`699703`, `12e5`) is a number to YAML and to a command line.

    Raises TypeError for a type that has no agreed description, since the text of an object may hold a path.
    """
    text = json.dumps([describe(part) for part in parts], sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12].translate(_LETTERS)


def describe(part: Any) -> Any:
    """Return `part` as plain JSON: a plugin by module, class, REVISION and its identity or fields."""
    if is_dataclass(part) and not isinstance(part, type):
        kind = type(part)
        own = part.identity() if hasattr(part, "identity") else {f.name: getattr(part, f.name) for f in fields(part)}
        revision = getattr(kind, "REVISION", 1)
        return {"class": f"{kind.__module__}.{kind.__qualname__}", "revision": revision, "fields": describe(own)}
    if isinstance(part, (list, tuple)):
        return [describe(item) for item in part]
    if isinstance(part, Mapping):
        if not all(isinstance(key, str) for key in part):
            raise TypeError(f"cannot fingerprint a mapping whose keys are not text: {part!r}")
        return {key: describe(value) for key, value in part.items()}
    if part is None or isinstance(part, (str, int, float, bool)):
        return part
    raise TypeError(f"cannot fingerprint a {type(part).__name__}: {part!r}")


def digest_of_files(paths: list[Path], root: Path) -> str:
    """Name the content of `paths` together with their names below `root`; the place itself does not count."""
    listed = sorted((path.relative_to(root).as_posix(), file_digest(path)) for path in paths)
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes; for large files remembered by path, size and time of change."""
    stat = path.stat()
    if stat.st_size < _CACHE_ABOVE_BYTES:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "finetune_lab" / "digests"
    seen = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    entry = cache / hashlib.sha256(seen.encode()).hexdigest()
    if entry.exists():
        return entry.read_text()
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    _remember(entry, digest)
    return digest


def _remember(entry: Path, digest: str) -> None:
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        partial = entry.with_suffix(f".{os.getpid()}")
        partial.write_text(digest)
        partial.replace(entry)
    except OSError:  # a home folder that cannot be written costs time, not the result
        return
