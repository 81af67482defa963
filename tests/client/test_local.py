"""A model of this machine as a judge: batches through the engine, scores weighed by their exact probabilities."""

from types import SimpleNamespace

import pytest

from finetune_lab.client.local import Local
from finetune_lab.inference.clients.exchange import Request
from finetune_lab.text.verdicts import expected_score

SCALE = ("1", "2", "3")


def client(fake):
    source = SimpleNamespace(check=lambda _: None, load=lambda _: fake)
    return Local(model=source, family=None, max_tokens=64, temperature=0.0)


def question(text, **more):
    return Request(messages=({"role": "user", "content": text},), **more)


def test_questions_go_in_batches_and_come_back_in_order(fake_model):
    fake = fake_model(reply=lambda asked: f"on {asked}")
    with client(fake).open(SimpleNamespace(inference_batch_rows=4)) as transport:
        assert transport.rows_at_once == 4
        replies = transport.complete([question("a"), question("b", sample=1)])
    assert [one.text for one in replies] == ["on a", "on b"]
    assert [one.num_output_tokens for one in replies] == [4, 4]
    assert fake.asked


def test_scores_are_weighed_by_what_the_model_gives_them(fake_model):
    fake = fake_model(reply=lambda _: "Hm. Score: 9 no.\nScore: 2\nDone")
    with client(fake).open(SimpleNamespace(inference_batch_rows=4)) as transport:
        (reply,) = transport.complete([question("a", scale=SCALE)])
    before, score, _ = reply.tokens
    assert before.text.endswith("Score: ")
    assert sum(2.718281828459045**value for value in score.top.values()) == pytest.approx(1)
    assert len(fake.scored) == 3
    # the fake's cost of a digit behind a space, and of the end behind the digit, is known in closed form
    digits = [ord(word) + 5 for word in SCALE]
    costs = [fake.nats(ord(" ") + 5, digit) + fake.nats(digit, 4) for digit in digits]
    weights = [2.718281828459045**-cost for cost in costs]
    mean = sum(weight * value for weight, value in zip(weights, (1, 2, 3), strict=True)) / sum(weights)
    assert expected_score(reply.tokens, SCALE) == pytest.approx(mean)


def test_without_a_score_nothing_is_weighed(fake_model):
    with client(fake_model()).open(SimpleNamespace(inference_batch_rows=4)) as transport:
        (reply,) = transport.complete([question("a", scale=SCALE)])
    assert reply.tokens == ()
