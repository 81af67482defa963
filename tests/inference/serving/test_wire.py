"""Requests are taken as they must be or refused; a stop string never shows, however it falls into pieces."""

import json

import pytest

from finetune_lab.inference.serving.wire import Refused, StopText, read_completion
from finetune_lab.records import Decoding

OWN = Decoding(max_new_tokens=100, temperature=0.3, top_p=0.9)
GOOD = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def read(**changes):
    return read_completion(json.dumps(GOOD | changes).encode())


def test_what_a_request_says_stands_over_what_the_server_says():
    decoding = read(temperature=0, max_completion_tokens=7, seed=5).decoding(OWN, drawn=9)
    assert decoding == Decoding(max_new_tokens=7, temperature=0, top_p=0.9, seed=5)
    assert read().decoding(OWN, drawn=9) == Decoding(max_new_tokens=100, temperature=0.3, top_p=0.9, seed=9)


def test_parts_of_text_are_one_text_and_a_developer_is_the_system():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    asked = read(messages=[{"role": "developer", "content": "be brief"}, {"role": "user", "content": parts}])
    assert asked.turns == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "ab"}]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}, "type"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "0"}, "temperature"),
        ({"n": 2}, "n:"),
        ({"tools": []}, "tools"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [""]}, "stop"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(changes, told):
    with pytest.raises(Refused, match=told) as caught:
        read(**changes)
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"model": "m"}', b"\xff\xfe"])
def test_what_is_no_request_is_refused(body):
    with pytest.raises(Refused):
        read_completion(body)


def test_more_tokens_than_are_allowed_are_refused():
    with pytest.raises(Refused, match="at most 100 here, got 101"):
        read(max_tokens=101).decoding(OWN, drawn=0)


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_a_stop_string_ends_the_text_before_it(size):
    text, stop = "one, tEND two ENDED three", StopText(["ENDED", "never"])
    shown = ""
    for start in range(0, len(text), size):
        part, ended = stop.take(text[start : start + size], last=start + size >= len(text))
        shown += part
        if ended:
            break
    assert (shown, ended) == ("one, tEND two ", True)


def test_the_beginning_of_a_stop_string_is_shown_where_the_text_ends_with_it():
    stop = StopText(["ENDED"])
    assert stop.take("so END", last=False) == ("so ", False)
    assert stop.take("", last=True) == ("END", False)
