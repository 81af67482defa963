"""Peak memory of a stretch of work, in bytes."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Peak of the GPU's allocated memory, or of this process's resident memory above its level at the start."""

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats()
        elif _RESET.exists():
            with suppress(OSError):
                _RESET.write_text("5")  # the kernel then counts the peak from here on
        self._before = 0 if self._cuda else _resident("VmRSS")

    def read(self) -> int:
        """Bytes so far."""
        if self._cuda:
            import torch

            return torch.cuda.max_memory_allocated()
        return max(0, _resident("VmHWM") - self._before)


def _resident(field: str) -> int:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
