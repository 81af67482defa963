"""The shapes in which people keep conversations, recognised by their fields and turned into messages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from finetune_lab.preparing.tool_calls import has_tools, tool_turns
from finetune_lab.preparing.turns import Fields, ShapeError, listed, said, turn
from finetune_lab.records import Message


def _answer(row: Fields, name: str) -> list[Message]:
    """The answer as a turn, or no turn where it is missing or empty (the caller counts those)."""
    value = row.get(name)
    if value is None or value == "":
        return []
    return [turn("assistant", said(value, name))]


def _alpaca(row: Fields) -> list[Message]:
    turns = [turn("system", said(row["system"], "system"))] if row.get("system") else []
    history = row.get("history") or []
    for pair in history if isinstance(history, Sequence) else [history]:
        if not (isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2):
            raise ShapeError("field 'history' should hold pairs of question and answer")
        turns += [turn("user", said(pair[0], "history")), turn("assistant", said(pair[1], "history"))]
    asked = said(row["instruction"], "instruction")
    extra = row.get("input") or ""
    return [*turns, turn("user", f"{asked}\n\n{said(extra, 'input')}" if extra else asked), *_answer(row, "output")]


def _sharegpt(row: Fields) -> list[Message]:
    system = [turn("system", said(row["system"], "system"))] if row.get("system") else []
    return system + listed(row["conversations"], "conversations", "from", "value")


def _messages(row: Fields) -> list[Message]:
    return listed(row["messages"], "messages", "role", "content")


def _prompt_completion(row: Fields) -> list[Message]:
    if isinstance(row["prompt"], list):
        turns = listed(row["prompt"], "prompt", "role", "content")
    else:
        turns = [turn("user", said(row["prompt"], "prompt"))]
    done = row.get("completion")
    return turns + (
        listed(done, "completion", "role", "content") if isinstance(done, list) else _answer(row, "completion")
    )


def _question_answer(row: Fields) -> list[Message]:
    return [turn("user", said(row["question"], "question")), *_answer(row, "answer")]


def _asked(row: Fields) -> list[Message]:
    """The turns before the two answers of a preference pair, under any of the names that they have."""
    system = [turn("system", said(row["system"], "system"))] if row.get("system") else []
    if "conversations" in row:
        return system + listed(row["conversations"], "conversations", "from", "value")
    if "messages" in row:
        return system + listed(row["messages"], "messages", "role", "content")
    if isinstance(row.get("prompt"), list):
        return system + listed(row["prompt"], "prompt", "role", "content")
    name = next((name for name in ("prompt", "instruction", "question") if name in row), "prompt")
    extra = said(row.get("input") or "", "input") if name == "instruction" else ""
    asked = said(row.get(name), name)
    return [*system, turn("user", f"{asked}\n\n{extra}" if extra else asked)]


def _one_of_two(row: Fields, name: str) -> list[Message]:
    """One answer of a pair, as turns: a text, one turn, or the whole conversation that ends with it."""
    value = row[name]
    if isinstance(value, list):
        turns = listed(value, name, "role", "content")
        return turns if len(turns) > 1 or turns[0]["role"] != "assistant" else [*_asked(row), *turns]
    if isinstance(value, Mapping):
        keys = ("from", "value") if "from" in value else ("role", "content")
        return [*_asked(row), *listed([value], name, *keys)]
    return [*_asked(row), *_answer(row, name)]


def _chosen(row: Fields) -> list[Message]:
    return _one_of_two(row, "chosen")


def _rejected(row: Fields) -> dict[str, Any]:
    """The answer that was not chosen, as a fact; it must be to the same question."""
    better, worse = _one_of_two(row, "chosen"), _one_of_two(row, "rejected")
    asked = better[:-1] if better and better[-1]["role"] == "assistant" else better
    if not worse or worse[-1]["role"] != "assistant" or worse[:-1] != asked:
        raise ShapeError("'chosen' and 'rejected' should be two answers to the same turns")
    return {"rejected": worse[-1]["content"]}


def _judged(row: Fields) -> list[Message]:
    return _messages(row) if "messages" in row else _prompt_completion(row)


def _is_judged(row: Fields) -> bool:
    answered = "messages" in row or {"prompt", "completion"} <= row.keys()
    return answered and isinstance(row.get("label"), bool)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a shape is known (`signs`: fields that are all there; `only_if`: and more), read, and what it says beside.

    `answer` is the field that holds the answer.
    """

    signs: tuple[str, ...]
    answer: str
    read: Callable[[Fields], list[Message]]
    only_if: Callable[[Fields], bool] = lambda row: True
    facts: Callable[[Fields], dict[str, Any]] = lambda row: {}

    def fits(self, row: Fields) -> bool:
        return all(sign in row for sign in self.signs) and self.only_if(row)


ShapeName = Literal[
    "auto",
    "dpo",
    "kto",
    "tool_calls",
    "messages",
    "sharegpt",
    "alpaca",
    "prompt_completion",
    "question_answer",
    "text",
]
# In this order: the first that fits is the shape.
SHAPES: dict[str, Shape] = {
    "dpo": Shape(signs=("chosen", "rejected"), answer="chosen", read=_chosen, facts=_rejected),
    "kto": Shape(
        signs=("label",),
        answer="completion",
        read=_judged,
        only_if=_is_judged,
        facts=lambda row: {"desirable": row["label"]},
    ),
    "tool_calls": Shape(signs=(), answer="messages", read=tool_turns, only_if=has_tools),
    "messages": Shape(signs=("messages",), answer="messages", read=_messages),
    "sharegpt": Shape(signs=("conversations",), answer="conversations", read=_sharegpt),
    "alpaca": Shape(signs=("instruction",), answer="output", read=_alpaca),
    "prompt_completion": Shape(signs=("prompt",), answer="completion", read=_prompt_completion),
    "question_answer": Shape(signs=("question",), answer="answer", read=_question_answer),
    "text": Shape(signs=("text",), answer="text", read=lambda row: []),
}


def recognise(fields: Fields) -> str:
    """Name the shape of a row; raises ShapeError naming the fields that are there and those that would do."""
    for name, shape in SHAPES.items():
        if shape.fits(fields):
            return name
    known = ", ".join(f"{' + '.join(shape.signs)} ({name})" for name, shape in SHAPES.items() if shape.signs)
    raise ShapeError(
        f"none of the known fields is there: {known}; the row has: {', '.join(map(str, fields)) or 'none'}"
    )


def to_messages(fields: Fields, name: str) -> list[Message]:
    """The turns of a row of shape `name`; an answer that is missing or empty is simply not among them."""
    shape = SHAPES[name]
    absent = [sign for sign in shape.signs if sign not in fields]
    if absent:
        raise ShapeError(f"field {absent[0]!r} of shape {name} is missing; the row has: {', '.join(map(str, fields))}")
    if not shape.fits(fields):
        raise ShapeError(f"the row is not of shape {name}; it has: {', '.join(map(str, fields))}")
    return shape.read(fields)
