"""Anthropic's interface: what is sent and read, through a real server."""

import pytest

from finetune_lab.client.anthropic import Anthropic
from finetune_lab.inference.clients.exchange import Request, Trouble

KNOWN = {"model": "m", "api_key_env": None, "family": None, "max_tokens": 9, "options": {}}


class Runtime:
    class judges:  # noqa: N801
        timeout_seconds = 5.0


def test_a_request_and_its_reply(judge_server):
    messages = ({"role": "system", "content": "Be fair."}, {"role": "user", "content": "which one?"})
    with judge_server() as server:
        client = Anthropic(**KNOWN, endpoint=server.url, temperature=0.5)
        with client.open(Runtime) as transport:
            (reply,) = transport.complete([Request(messages=messages)])
        (body,) = server.bodies
    assert (body["system"], body["temperature"], body["max_tokens"]) == ("Be fair.", 0.5, 9)
    assert [turn["role"] for turn in body["messages"]] == ["user"]
    assert reply.text.endswith("Verdict: A>B")
    assert (reply.finish, reply.num_input_tokens, reply.num_output_tokens) == ("end", 2, 11)


@pytest.mark.parametrize(("trouble", "kind"), [("busy", "busy"), ("overloaded", "server"), ("key", "account")])
def test_errors_are_told_apart_and_not_tried_again(judge_server, trouble, kind):
    with judge_server(trouble=lambda _text, _try: trouble, retry_after_seconds=7) as server:
        client = Anthropic(**KNOWN, endpoint=server.url, temperature=None)
        with client.open(Runtime) as transport, pytest.raises(Trouble) as error:
            transport.complete([Request(messages=({"role": "user", "content": "x"},))])
        assert sum(server.asked.values()) == 1
    assert error.value.kind == kind
    assert error.value.retry_after_seconds == (7 if trouble == "busy" else None)
