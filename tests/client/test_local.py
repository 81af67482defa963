"""A model of this machine as a judge: batches through the engine, scores weighed by their exact probabilities."""

from types import SimpleNamespace

import pytest

from finetune_lab.client.local import Local
from finetune_lab.errors import ConfigError
from finetune_lab.inference.clients.exchange import Request
from finetune_lab.text.verdicts import expected_score

SCALE = ("1", "2", "3")


def client(fake, precision="float32"):
    source = SimpleNamespace(check=lambda _: None, load=lambda _: fake, precision=precision)
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


def test_the_precision_is_named_and_part_of_the_judge(fake_model):
    with pytest.raises(ConfigError, match="float32, bfloat16 or float16"):
        client(fake_model(), "auto").check()
    client(fake_model()).check()
    assert client(fake_model(), "bfloat16").identity()["precision"] == "bfloat16"


def test_a_choice_of_the_group_model_is_the_judge(lab):
    main = "eval.judge_pairwise.judges.main"
    made = lab("eval=[judge_pairwise]", f"client@{main}=local", f"model@{main}.model=tiny", "runtime.device=cpu")
    judge = made.evaluators["judge_pairwise"].judges["main"]
    assert (judge.name, judge.model.precision) == ("tiny", "float32")
    with pytest.raises(ConfigError, match="own family, tiny"):  # the model that is fine-tuned, as its own judge
        made.evaluators["judge_pairwise"].check()


def test_without_a_score_nothing_is_weighed(fake_model):
    with client(fake_model()).open(SimpleNamespace(inference_batch_rows=4)) as transport:
        (reply,) = transport.complete([question("a", scale=SCALE)])
    assert reply.tokens == ()
