"""How much memory there is: on this machine's device, or on one that is named. PyTorch only where a GPU is asked."""

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_MEMINFO, _GROUPS = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Room:
    """Bytes that a training may use on a device; `name` for people. `flops` in its usual precision, if known."""

    name: str
    device: Literal["cpu", "cuda", "mps"]
    num_bytes: int
    flops: float | None = None
    bandwidth: float | None = None  # bytes per second
    utilisation: float = 1.0  # the share of `flops` that a training reaches
    price_per_hour: float | None = None
    precision: str | None = None  # what `auto` becomes there; None: what the runtime says
    named: bool = False  # not the device that this process sees


def room_here(device: str) -> Room | None:
    """What is free now; None where the system does not say."""
    if device == "cuda":
        import torch

        return Room(name=torch.cuda.get_device_name(), device="cuda", num_bytes=torch.cuda.mem_get_info()[0])
    free = _free_bytes()
    kind: Literal["cpu", "mps"] = "mps" if device == "mps" else "cpu"
    return None if free is None else Room(name="this machine", device=kind, num_bytes=free)


def processor_flops(size: int = 768, rounds: int = 5) -> float:
    """Operations per second in the product of two float32 matrices of `size`: the quickest of a few."""
    import numpy

    drawn = numpy.random.default_rng(0)
    left, right = (drawn.random((size, size), dtype=numpy.float32) for _ in range(2))
    left @ right  # the first one makes threads
    quickest = math.inf
    for _ in range(rounds):
        started = time.perf_counter()
        left @ right
        quickest = min(quickest, time.perf_counter() - started)
    return 2 * size**3 / quickest


def _free_bytes() -> int | None:
    """What processes could still take: of the machine, or of the group of processes that a container is."""
    known = [size for size in (_available(), _allowed()) if size is not None]
    return min(known) if known else _physical()


def _available() -> int | None:
    if not _MEMINFO.exists():
        return None
    for line in _MEMINFO.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _allowed(root: Path = _GROUPS) -> int | None:
    """The limit of a control group less what it holds; files that it read can be forgotten and do not count."""
    try:
        limit, held = ((root / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        facts = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    return max(0, int(limit) - int(held) + int(facts.get("inactive_file", 0)))


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
