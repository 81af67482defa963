"""Families of models, known by their names: a judge of one's own family favours what sounds like itself."""

import re
from collections.abc import Iterable
from typing import Any

# a family and what the names of its members hold; the first that fits speaks
_FAMILIES = {
    "llama": ("llama", "vicuna", "alpaca", "tulu"),
    "gpt": ("gpt", "chatgpt", "davinci", r"o[134](?:-|$)"),
    "claude": ("claude",),
    "gemini": ("gemini", "gemma"),
    "qwen": ("qwen", "qwq"),
    "mistral": ("mistral", "mixtral", "ministral", "magistral"),
    "phi": (r"phi(?:\b|[-_ ]?\d)",),
    "deepseek": ("deepseek",),
    "falcon": ("falcon",),
    "olmo": ("olmo",),
    "grok": ("grok",),
    "command": ("command-", "c4ai", "aya-"),
    "granite": ("granite",),
    "smollm": ("smollm",),
}
_NAMES = ("repo", "name", "model", "path")  # the fields of a model's config that may tell what it is


def family_of(names: Iterable[str]) -> str:
    """The family that one of the names tells; else the first name's own first word, so that equal names agree.

    A distilled model has the family of what it was trained on as well as that of its weights; the name's first match
    in the list above is taken, and the config may say otherwise.
    """
    listed = [name.lower() for name in names]
    for name in listed:
        for family, members in _FAMILIES.items():
            if any(re.search(rf"(?:^|[^a-z]){member}", name) for member in members):
                return family
    words = re.findall(r"[a-z]+", listed[0].rstrip("/").rpartition("/")[2]) if listed else []
    return words[0] if words else "unknown"


def names_of(model: Any) -> list[str]:
    """What a plugin of the group `model` is called: the fields that name it, then its class."""
    told = [str(getattr(model, field)) for field in _NAMES if isinstance(getattr(model, field, None), str)]
    path = getattr(model, "path", None)
    told += [path.name] if path is not None and hasattr(path, "name") else []
    return [*told, type(model).__name__.lower()]
