"""Tools, calls and results become turns that every template shows; OpenAI's and ShareGPT's ways give the same."""

import json
from typing import Any

import pytest

from finetune_lab.errors import DataError
from finetune_lab.preparing.pipeline import convert
from finetune_lab.preparing.reading import Row

TOOL = {"name": "weather", "parameters": {"type": "object"}}
CALL = {"name": "weather", "arguments": {"city": "K\u00f6ln"}}


def messages(fields: dict[str, Any]) -> list[tuple[str, str]]:
    found = convert([Row(fields=fields, place="file, line 1")])
    assert found.shapes == {"tool_calls": 1}
    return [(turn["role"], turn["content"]) for turn in found.samples[0].messages]


SHAREGPT = {
    "conversations": [
        {"from": "human", "value": "rain?"},
        {"from": "function_call", "value": json.dumps(CALL, ensure_ascii=False)},
        {"from": "observation", "value": '{"rain": true}'},
        {"from": "gpt", "value": "yes"},
    ],
    "tools": json.dumps([TOOL]),
}
OPENAI = {
    "messages": [
        {"role": "user", "content": "rain?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"type": "function", "function": {"name": "weather", "arguments": json.dumps(CALL["arguments"])}}
            ],
        },
        {"role": "tool", "content": '{"rain": true}', "tool_call_id": "1"},
        {"role": "assistant", "content": "yes"},
    ],
    "tools": [TOOL],
}


def test_both_ways_give_the_same_turns() -> None:
    told = messages(SHAREGPT)
    assert messages(OPENAI) == told
    assert [role for role, _ in told] == ["system", "user", "assistant", "user", "assistant"]
    assert told[0][1].endswith(f"<tools>\n{json.dumps(TOOL)}\n</tools>")
    assert told[2][1] == f"<tool_call>\n{json.dumps(CALL, ensure_ascii=False)}\n</tool_call>"
    assert told[3][1] == '<tool_response>\n{"rain": true}\n</tool_response>'


def test_a_system_message_stands_before_the_tools() -> None:
    told = messages({**OPENAI, "messages": [{"role": "system", "content": "Be brief."}, *OPENAI["messages"]]})
    assert told[0][1].startswith("Be brief.\n\nYou can call these tools")
    assert [role for role, _ in told].count("system") == 1


def test_several_calls_and_results_in_a_row_are_one_turn_each() -> None:
    two = [OPENAI["messages"][1], OPENAI["messages"][1], *[OPENAI["messages"][2]] * 2]
    told = messages({"messages": [OPENAI["messages"][0], *two, OPENAI["messages"][3]], "tools": [TOOL]})
    assert [role for role, _ in told] == ["system", "user", "assistant", "user", "assistant"]
    assert told[2][1].count("<tool_call>") == told[3][1].count("<tool_response>") == 2


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        ({"role": "wizard", "content": "x"}, "turn 2 has the unknown role 'wizard'"),
        ({"role": "assistant", "tool_calls": [{"x": 1}]}, "turn 2: a tool call should have a 'function'"),
        ("text", "turn 2 should have 'from' and 'value'"),
        ({"role": "assistant", "content": 3}, "field 'value' should be text, got int"),
    ],
)
def test_mistakes_are_told_with_their_turn(turn: Any, told: str) -> None:
    with pytest.raises(DataError, match=f"file, line 1: {told}"):
        messages({"messages": [{"role": "user", "content": "q"}, turn], "tools": [TOOL]})
