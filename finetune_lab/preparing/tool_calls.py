"""Conversations with tools, as text that every chat template can show.

Few templates know tools, and some leave out a turn of a role that they do not know. So a call becomes the text of an
assistant's turn, `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, what the tool gave back a user's turn,
`<tool_response>…</tool_response>`, and the tools stand in the system message: the tags of the Hermes format, which
Qwen's own template writes too.
"""

import json
from collections.abc import Mapping
from typing import Any

from finetune_lab.preparing.turns import ROLES, Fields, ShapeError, said, turn
from finetune_lab.records import Message

CALLS = ("function_call", "tool_call")
RESULTS = ("observation", "tool", "function", "function_response", "tool_response")
OPENING = (
    "You can call these tools. To call one, answer with its name and its arguments as JSON between <tool_call> and "
    "</tool_call>; what it gives back follows between <tool_response> and </tool_response>."
)


def has_tools(row: Fields) -> bool:
    """Whether the row names tools, or one of its turns is a call or a result."""
    if row.get("tools") and ("messages" in row or "conversations" in row):
        return True
    turns = _turns(row)
    return isinstance(turns, list) and any(isinstance(one, Mapping) and _is_tool_turn(one) for one in turns)


def tool_turns(row: Fields) -> list[Message]:
    """The turns of a row with tools, in user, assistant and system roles alone."""
    turns = _turns(row)
    if not isinstance(turns, list) or not turns:
        raise ShapeError(f"a list of turns is due, got {type(turns).__name__}")
    told = [_said(one, number) for number, one in enumerate(turns, start=1)]
    system = [said(row["system"], "system")] if row.get("system") else []
    while told and told[0]["role"] == "system":
        system.append(told.pop(0)["content"])
    tools = _described(row.get("tools"))
    text = "\n\n".join([*system, *([f"{OPENING}\n<tools>\n{tools}\n</tools>"] if tools else [])])
    return _joined([turn("system", text), *told] if text else told)


def _turns(row: Fields) -> Any:
    return row.get("conversations", row.get("messages"))


def _is_tool_turn(one: Mapping[str, Any]) -> bool:
    return str(_role(one)).lower() in CALLS + RESULTS or bool(one.get("tool_calls"))


def _role(one: Mapping[str, Any]) -> Any:
    return one.get("from", one.get("role"))


def _said(one: Any, number: int) -> Message:
    if not isinstance(one, Mapping) or _role(one) is None:
        raise ShapeError(f"turn {number} should have 'from' and 'value', or 'role' and 'content'")
    role = str(_role(one)).lower()
    content = one.get("value", one.get("content"))
    if one.get("tool_calls"):
        calls = _calls(one["tool_calls"], number)
        before = f"{said(content, 'content')}\n" if content else ""
        return turn("assistant", before + calls)
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    if role in CALLS:
        return turn("assistant", _call(said(text, "value")))
    if role in RESULTS:
        return turn("user", f"<tool_response>\n{said(text, 'value')}\n</tool_response>")
    if role not in ROLES:
        known = ", ".join([*ROLES, *CALLS, *RESULTS])
        raise ShapeError(f"turn {number} has the unknown role {_role(one)!r}; known: {known}")
    return turn(ROLES[role], said(content, "value"))


def _calls(calls: Any, number: int) -> str:
    """OpenAI's list of calls, whose arguments are a JSON text or an object."""
    parts = []
    for call in calls if isinstance(calls, list) else [calls]:
        function = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or "name" not in function:
            raise ShapeError(f"turn {number}: a tool call should have a 'function' with 'name' and 'arguments'")
        arguments = function.get("arguments", {})
        given = _read(arguments) if isinstance(arguments, str) else arguments
        parts.append(_call(json.dumps({"name": function["name"], "arguments": given}, ensure_ascii=False)))
    return "\n".join(parts)


def _call(text: str) -> str:
    return f"<tool_call>\n{text}\n</tool_call>"


def _described(tools: Any) -> str:
    """One tool a line, as JSON; a text that holds a list of them is read first."""
    listed = _read(tools) if isinstance(tools, str) else tools
    if not isinstance(listed, list):
        return json.dumps(listed, ensure_ascii=False) if listed else ""
    return "\n".join(json.dumps(tool, ensure_ascii=False) for tool in listed)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _joined(turns: list[Message]) -> list[Message]:
    """Turns of one role that follow one another are one, as templates that count on alternation want it."""
    joined: list[Message] = []
    for one in turns:
        if joined and joined[-1]["role"] == one["role"]:
            joined[-1] = turn(one["role"], f"{joined[-1]['content']}\n{one['content']}")
        else:
            joined.append(one)
    return joined
