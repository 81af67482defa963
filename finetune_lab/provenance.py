"""Where a number comes from: commit, packages, device, time. Recorded with every piece of work, never hashed."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from finetune_lab import __version__

PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "tokenizers", "numpy")
ROOT = Path(__file__).resolve().parent.parent


def here() -> dict[str, Any]:
    """Return commit, package versions, machine and time of this process, as plain JSON."""
    return {
        "finetune_lab": __version__,
        **_commit(),
        "packages": _packages(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def differences(made: dict[str, Any]) -> str:
    """Say in what a kept result's commit or packages differ from this process's; empty when they are the same."""
    now, parts = here(), []
    if made.get("commit") and now["commit"] and made["commit"] != now["commit"]:
        parts.append(f"commit {made['commit'][:8]}")
    for name, mine in now["packages"].items():
        theirs = made.get("packages", {}).get(name, mine)
        if theirs != mine:
            parts.append(f"{name} {theirs}, here {mine}")
    return ", ".join(parts)


@cache
def _packages() -> dict[str, str]:
    return {name: found for name in PACKAGES if (found := _version(name))}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _commit() -> dict[str, Any]:
    """The commit of a source checkout and whether files differ from it; both None for an installed package."""
    if not (ROOT / ".git").exists():
        return {"commit": None, "dirty": None}
    ask = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*ask, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10)
        changed = subprocess.run([*ask, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
    return {"commit": head.stdout.strip(), "dirty": bool(changed.stdout.strip())}
