"""The shapes in which people keep conversations, recognised by their fields and turned into messages."""

import re
from collections.abc import Callable, Mapping, Sequence
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


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _answer(row: Fields, name: str) -> list[Message]:
    """The answer as a turn, or no turn where it is missing or empty (the caller counts those)."""
    value = row.get(name)
    if value is None or value == "":
        return []
    return [_turn("assistant", said(value, name))]


def _alpaca(row: Fields) -> list[Message]:
    turns = [_turn("system", said(row["system"], "system"))] if row.get("system") else []
    history = row.get("history") or []
    for pair in history if isinstance(history, Sequence) else [history]:
        if not (isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2):
            raise ShapeError("field 'history' should hold pairs of question and answer")
        turns += [_turn("user", said(pair[0], "history")), _turn("assistant", said(pair[1], "history"))]
    asked = said(row["instruction"], "instruction")
    extra = row.get("input") or ""
    return [*turns, _turn("user", f"{asked}\n\n{said(extra, 'input')}" if extra else asked), *_answer(row, "output")]


def _listed(turns: Any, name: str, role_key: str, text_key: str) -> list[Message]:
    if not isinstance(turns, list) or not turns:
        raise ShapeError(f"field {name!r} should be a list of turns, got {type(turns).__name__}")
    told = []
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, Mapping) or role_key not in turn or text_key not in turn:
            raise ShapeError(f"turn {number} of {name!r} should have {role_key!r} and {text_key!r}")
        role = ROLES.get(str(turn[role_key]).lower())
        if role is None:
            raise ShapeError(
                f"turn {number} of {name!r} has the unknown role {turn[role_key]!r}; known: {', '.join(ROLES)}"
            )
        told.append(_turn(role, said(turn[text_key], f"{name}.{text_key}")))
    if told[-1]["role"] == "assistant" and not told[-1]["content"]:
        told.pop()
    return told


def _sharegpt(row: Fields) -> list[Message]:
    system = [_turn("system", said(row["system"], "system"))] if row.get("system") else []
    return system + _listed(row["conversations"], "conversations", "from", "value")


def _messages(row: Fields) -> list[Message]:
    return _listed(row["messages"], "messages", "role", "content")


def _prompt_completion(row: Fields) -> list[Message]:
    if isinstance(row["prompt"], list):
        turns = _listed(row["prompt"], "prompt", "role", "content")
    else:
        turns = [_turn("user", said(row["prompt"], "prompt"))]
    done = row.get("completion")
    return turns + (
        _listed(done, "completion", "role", "content") if isinstance(done, list) else _answer(row, "completion")
    )


def _question_answer(row: Fields) -> list[Message]:
    return [_turn("user", said(row["question"], "question")), *_answer(row, "answer")]


# In this order: the first whose field is there is the shape. The second name is the field that holds the answer.
SHAPES: dict[str, tuple[str, str, Callable[[Fields], list[Message]]]] = {
    "messages": ("messages", "messages", _messages),
    "sharegpt": ("conversations", "conversations", _sharegpt),
    "alpaca": ("instruction", "output", _alpaca),
    "prompt_completion": ("prompt", "completion", _prompt_completion),
    "question_answer": ("question", "answer", _question_answer),
    "text": ("text", "text", lambda row: []),
}


def recognise(fields: Fields) -> str:
    """Name the shape of a row; raises ShapeError naming the fields that are there and those that would do."""
    for name, (sign, _, _) in SHAPES.items():
        if sign in fields:
            return name
    known = ", ".join(f"{sign} ({name})" for name, (sign, _, _) in SHAPES.items())
    raise ShapeError(
        f"none of the known fields is there: {known}; the row has: {', '.join(map(str, fields)) or 'none'}"
    )


def to_messages(fields: Fields, shape: str) -> list[Message]:
    """The turns of a row of `shape`; an answer that is missing or empty is simply not among them."""
    sign, _, convert = SHAPES[shape]
    if sign not in fields:
        raise ShapeError(f"field {sign!r} of shape {shape} is missing; the row has: {', '.join(map(str, fields))}")
    return convert(fields)
