"""What all shapes are made of: turns with a role and a text, checked."""

import re
from collections.abc import Mapping
from typing import Any

from finetune_lab.records import Message

Fields = Mapping[str, Any]
ROLES = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
}
_HALF = re.compile("[\\ud800-\\udfff]")  # of a character beyond the first 65,536, without the other half


class ShapeError(ValueError):
    """A row that does not have the shape that it should; the message says what was expected."""


def said(value: Any, name: str) -> str:
    """The text of a field; raises ShapeError for what is no text."""
    if not isinstance(value, str):
        raise ShapeError(f"field {name!r} should be text, got {type(value).__name__}")
    if _HALF.search(value):  # no tokenizer takes it, and no file
        raise ShapeError(f"field {name!r} holds half of a character (a lone surrogate, \\ud800 to \\udfff)")
    return value


def turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def listed(turns: Any, name: str, role_key: str, text_key: str) -> list[Message]:
    if not isinstance(turns, list) or not turns:
        raise ShapeError(f"field {name!r} should be a list of turns, got {type(turns).__name__}")
    told = []
    for number, one in enumerate(turns, start=1):
        if not isinstance(one, Mapping) or role_key not in one or text_key not in one:
            raise ShapeError(f"turn {number} of {name!r} should have {role_key!r} and {text_key!r}")
        role = ROLES.get(str(one[role_key]).lower())
        if role is None:
            raise ShapeError(
                f"turn {number} of {name!r} has the unknown role {one[role_key]!r}; known: {', '.join(ROLES)}"
            )
        told.append(turn(role, said(one[text_key], f"{name}.{text_key}")))
    if told[-1]["role"] == "assistant" and not told[-1]["content"]:
        told.pop()
    return told
