"""OpenAI-compatible servers: what is sent, what is read, and which configs are refused."""

import pytest

from finetune_lab.client.openai import OpenAI
from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.inference.clients.exchange import Request, Trouble
from finetune_lab.text.verdicts import expected_score

KNOWN = {"model": "m", "api_key_env": None, "family": None, "max_tokens": 9, "temperature": 0.5, "top_logprobs": 3}
KNOWN |= {"limit_field": "max_completion_tokens", "options": {"seed": 4}, "endpoint": "http://localhost:1/v1"}
ASKED = Request(messages=({"role": "user", "content": "how good?"},), scale=("1", "2", "3", "4", "5"))


class Runtime:
    class judges:  # noqa: N801
        timeout_seconds = 5.0


def test_a_request_and_its_reply(judge_server, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-1")
    with judge_server(answer=lambda _: "Fine.\nScore: 4") as server:
        client = OpenAI(**KNOWN | {"endpoint": f"{server.url}/v1", "api_key_env": "A_KEY"})
        with client.open(Runtime) as transport:
            (reply,) = transport.complete([ASKED])
        (body,) = server.bodies
    assert body["model"] == "m"
    assert body["max_completion_tokens"] == 9
    assert (body["temperature"], body["seed"], body["logprobs"], body["top_logprobs"]) == (0.5, 4, True, 3)
    assert (reply.text, reply.finish, reply.num_input_tokens) == ("Fine.\nScore: 4", "end", 2)
    assert expected_score(reply.tokens, ASKED.scale) == pytest.approx(3.75)  # 3/4 on 4 and 1/4 on 3


def test_what_is_left_out_is_not_sent(judge_server):
    with judge_server() as server:
        client = OpenAI(**KNOWN | {"endpoint": f"{server.url}/v1", "temperature": None, "options": {}})
        with client.open(Runtime) as transport:
            transport.complete([Request(messages=ASKED.messages)])
        (body,) = server.bodies
    assert set(body) == {"model", "messages", "max_completion_tokens"}


def test_the_vendor_does_not_try_again_by_itself(judge_server):
    with judge_server(trouble=lambda _text, _try: "server") as server:
        opened = OpenAI(**KNOWN | {"endpoint": f"{server.url}/v1"}).open(Runtime)
        with opened as transport, pytest.raises(Trouble, match=r"HTTP 500: .*oops") as error:
            transport.complete([ASKED])
        assert sum(server.asked.values()) == 1
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


@pytest.mark.parametrize("written", ["sk-proj-abc123def", "my key", "openai_api_key", "A-B"])
def test_a_key_in_the_place_of_its_name_is_refused_and_not_repeated(written):
    with pytest.raises(ConfigError, match="NAME of an environment variable") as error:
        OpenAI(**KNOWN | {"api_key_env": written})
    assert written not in str(error.value)


@pytest.mark.parametrize("endpoint", ["localhost:80", "http://me:secret@host/v1", "https://host/v1?key=secret"])
def test_an_endpoint_that_could_carry_a_key_is_refused(endpoint):
    with pytest.raises(ConfigError, match=r"client\.endpoint") as error:
        OpenAI(**KNOWN | {"endpoint": endpoint})
    assert "secret" not in str(error.value)


def test_a_key_that_is_not_set_is_named_by_its_variable(monkeypatch):
    monkeypatch.delenv("NOT_SET_KEY", raising=False)
    with pytest.raises(WorldError, match="NOT_SET_KEY is not set"):
        OpenAI(**KNOWN | {"api_key_env": "NOT_SET_KEY"}).check()
