"""Packages that only some filters and sources need."""

from importlib import import_module
from typing import Any

from finetune_lab.errors import WorldError


def needed(module: str, *, filter: str) -> Any:
    """Import `module` for the filter of that name; WorldError with the remedy where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise WorldError(
            f"filter {filter} needs {module.partition('.')[0]} ({error}): pip install 'finetune-lab[data]'"
        ) from None
