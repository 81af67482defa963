"""Replies out of a file: the same as the judge gave, and nobody is asked for the rest."""

import json

import pytest

from finetune_lab.client.replay import Replay
from finetune_lab.errors import WorldError
from finetune_lab.inference.clients.exchange import Reply, Request, Token, Trouble


def question(text):
    return Request(messages=({"role": "user", "content": text},), scale=("1", "2"))


def test_what_a_judge_left_is_given_again_and_what_it_did_not_is_refused(tmp_path):
    reply = Reply(text="Score: 2", num_input_tokens=3, num_output_tokens=2, finish="end", tokens=(Token(text="2"),))
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"key": question("a").key, **reply.to_json()}) + "\n")
    client = Replay(path=path, label="old judge", family=None)
    with client.open(None) as transport:
        assert transport.complete([question("a")]) == [reply]
        with pytest.raises(Trouble, match="no reply to this question"):
            transport.complete([question("b")])
    other = tmp_path / "copy.jsonl"
    other.write_bytes(path.read_bytes())
    assert Replay(path=other, label="old judge", family=None).identity() == client.identity()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WorldError, match=r"none\.jsonl"):
        Replay(path=tmp_path / "none.jsonl", label="x", family=None).check()
