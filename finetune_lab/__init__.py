"""finetune_lab: find out whether a fine-tuning method really helped."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune_lab.opening import open_run

__version__ = "0.1.0"
__all__ = ["open_run"]


def __getattr__(name: str) -> Any:
    """`open_run`, loaded when it is asked for: `--help` and the plugins need none of it."""
    if name == "open_run":
        from finetune_lab.opening import open_run

        return open_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
