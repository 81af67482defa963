"""What this machine computes with, told without loading PyTorch: for measures that hold on one machine only."""

import os
import platform
from functools import cache
from pathlib import Path

_CPU, _GPUS = Path("/proc/cpuinfo"), Path("/proc/driver/nvidia/gpus")


@cache
def hardware() -> str:
    """Processor, number of cores that this process may use, and graphics cards, as `EPYC 7B13, 2 cores, 1 × H100`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ", ".join([_processor(), f"{cores} cores", *_cards()])


def _processor() -> str:
    names = _named(_CPU, "model name") if _CPU.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def _cards() -> list[str]:
    found = [name for path in sorted(_GPUS.glob("*/information")) for name in _named(path, "Model")]
    return [f"{found.count(name)} × {name}" for name in dict.fromkeys(found)]


def _named(path: Path, field: str) -> list[str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = [line.partition(":") for line in lines]
    return [value.strip() for name, _, value in pairs if name.strip() == field]
