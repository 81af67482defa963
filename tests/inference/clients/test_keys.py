"""Keys: by the name of a variable, in no message, and blacked out wherever a server repeats them."""

import pytest

from finetune_lab.errors import WorldError
from finetune_lab.inference.clients.exchange import Request
from finetune_lab.inference.clients.keys import key_of, without

KEY = "sk-marked-8f3e2b1c5d7a"


@pytest.mark.parametrize("key", ["sk-a\nb", "sk a", "sk-ü", "sk-\x1b[0m"])
def test_what_no_header_can_hold_is_refused_and_not_shown(key, monkeypatch):
    monkeypatch.setenv("ODD_KEY", key)
    with pytest.raises(WorldError, match="ODD_KEY holds characters") as error:
        key_of("ODD_KEY")
    assert key not in str(error.value)
    assert repr(key)[1:-1] not in str(error.value)


def test_white_space_around_a_key_is_taken_off(monkeypatch):
    monkeypatch.setenv("A_KEY", f"  {KEY}\n")
    assert key_of("A_KEY") == KEY
    assert key_of(None) is None


def test_a_reply_that_repeats_the_key_is_kept_without_it(judge_server, runtime, client, monkeypatch):
    assert without(f"a {KEY} b", KEY) == "a [key] b"
    assert without("a", None) == "a"
    monkeypatch.setenv("A_KEY", KEY)
    question = Request(messages=({"role": "user", "content": "x"},), scale=("1", "2"))
    with judge_server(answer=lambda _: f"{KEY}\nScore: 2") as server:
        asker = client(server.url, api_key_env="A_KEY")
        with asker.open(runtime()) as transport:
            (reply,) = transport.complete([question])
    assert reply.text == "[key]\nScore: 2"
    assert reply.tokens == ()
