"""The machine as it is found: the best device there is, and the precision that it can do."""

import shutil
import sys
from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from finetune_lab.inference.clients.limits import Limits
from finetune_lab.plugin import plugin


@plugin
class Auto:
    """How work is done; nothing here changes a number. `threads` null leaves PyTorch's choice."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    attention: Literal["auto", "sdpa", "flash_attention_2", "eager"]
    gradient_checkpointing: Literal["auto", "on", "off"]
    inference_batch_rows: PositiveInt
    inference_batch_tokens: PositiveInt
    threads: PositiveInt | None
    log_every_steps: PositiveInt
    checkpoints_kept: PositiveInt
    progress: Literal["auto", "on", "off"]
    check_memory: bool
    judges: Limits

    def precision(self, asked: str) -> str:
        """Resolve `auto`: bfloat16 where the GPU does it, else float16 there, float32 on a CPU."""
        if asked != "auto":
            return asked
        if self.resolved_device() != "cuda":
            return "float32"
        import torch

        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"

    def resolved_device(self) -> str:
        """cuda, mps or cpu. PyTorch is asked only where the system shows an accelerator: a kept run stays quick."""
        if self.device != "auto":
            return self.device
        if _shows_nvidia():
            import torch

            return "cuda" if torch.cuda.is_available() else "cpu"
        if sys.platform == "darwin":
            import torch

            return "mps" if torch.backends.mps.is_available() else "cpu"
        return "cpu"

    def shows_progress(self) -> bool:
        """Whether bars are drawn: by default where somebody watches."""
        return sys.stderr.isatty() if self.progress == "auto" else self.progress == "on"

    def checkpoints_gradients(self) -> bool:
        """Whether activations are computed again in the backward pass: on by default where memory is a GPU's."""
        if self.gradient_checkpointing == "auto":
            return self.resolved_device() == "cuda"
        return self.gradient_checkpointing == "on"


def _shows_nvidia() -> bool:
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists() or shutil.which("nvidia-smi") is not None
