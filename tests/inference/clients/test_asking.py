"""Asking a server that misbehaves: every question ends with a reply or a reason, none is paid twice, none is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import pairwise

import pytest

from finetune_lab.errors import ConfigError, LabError, WorldError
from finetune_lab.inference.clients.asking import ask
from finetune_lab.inference.clients.exchange import Failure, Reply
from finetune_lab.inference.clients.kept import folder_of
from finetune_lab.once import held

PASSING = ("busy", "server", "overloaded", "reset", "cut", "empty", "half", "garbage", "no choices", "slow")


def told(text, number):
    """A text `cut*2 …` is cut off twice and then answered; `server*99` never is."""
    kind, _, rest = text.partition("*")
    return kind if rest and number < int(rest.split()[0]) else None


@pytest.mark.slow
def test_every_trouble_that_passes_ends_with_one_paid_reply(judge_server, runtime, client, question, tmp_path):
    texts = [f"{kind}*{times} number {n}" for kind in PASSING for times in (1, 2) for n in range(3)]
    texts += [f"fine {n}" for n in range(20)]
    with judge_server(trouble=told) as server:
        asked = ask(client(server.url), [question(text) for text in texts], tmp_path, runtime(timeout_seconds=2.0))
        delivered = server.delivered
    assert all(isinstance(one, Reply) for one in asked.outcomes)
    assert delivered == Counter(texts)
    assert asked.bill["asked"] == len(texts)
    assert asked.bill["failed"] == 0


def test_what_never_passes_ends_with_its_reason_and_is_asked_again_next_time(
    judge_server, runtime, client, question, tmp_path
):
    texts = ["server*99 a", "garbage*99 b", "too long*99 c", "reset*99 d", *(f"fine {n}" for n in range(12))]
    texts = [*texts[4:], *texts[:4]]
    with judge_server(trouble=told) as server:
        first = ask(client(server.url), [question(text) for text in texts], tmp_path, runtime())
        reasons = {text: one for text, one in zip(texts, first.outcomes, strict=True) if isinstance(one, Failure)}
        assert {text.partition("*")[0]: one.kind for text, one in reasons.items()} == {
            "server": "server",
            "garbage": "malformed",
            "too long": "refused",
            "reset": "connection",
        }
        assert "HTTP 500" in reasons["server*99 a"].reason
        assert server.asked["server*99 a"] == 4  # tries
        assert server.asked["too long*99 c"] == 1  # it would never do
        server.trouble, before = (lambda _text, _try: None), Counter(server.asked)
        second = ask(client(server.url), [question(text) for text in texts], tmp_path, runtime())
        assert all(isinstance(one, Reply) for one in second.outcomes)
        assert server.asked - before == Counter(reasons.keys())  # only what was missing
        assert set(server.delivered.values()) == {1}
    rows = (folder_of(client(server.url), tmp_path) / "replies.jsonl").read_text()
    assert len(rows.splitlines()) == len(texts)


def test_the_server_s_pause_is_kept_to_and_costs_no_try(judge_server, runtime, client, question, tmp_path):
    with judge_server(trouble=told, retry_after_seconds=0.5) as server:
        texts = ["busy*4 x", *(f"fine {n}" for n in range(8))]
        limits = runtime(concurrency=2, tries=1, first_wait_seconds=0.001)
        asked = ask(client(server.url), [question(text) for text in texts], tmp_path, limits)
        busy = [when for when, trouble in sorted(server.times) if trouble == "busy"]
    assert all(isinstance(one, Reply) for one in asked.outcomes)
    assert len(busy) == 4
    assert all(later - when >= 0.5 for when, later in pairwise(busy))


def test_a_date_as_retry_after_is_kept_to(judge_server, runtime, client, question, tmp_path):
    with judge_server(trouble=lambda text, number: "busy until" if number == 0 else None) as server:
        ask(client(server.url), [question("x")], tmp_path, runtime())
        first, second = (when for when, _ in server.times)
    assert second - first > 0.4  # the date has whole seconds


@pytest.mark.parametrize(("trouble", "told"), [("key", "HTTP 401"), ("model", "HTTP 404"), ("credit", "credit")])
def test_trouble_with_the_account_stops_at_once(
    judge_server, runtime, client, question, tmp_path, monkeypatch, trouble, told
):
    monkeypatch.setenv("PLANTED_KEY", "sk-marked-4711")
    with judge_server(trouble=lambda _text, _try: trouble) as server:
        asker = client(server.url, api_key_env="PLANTED_KEY")
        with pytest.raises(WorldError, match=told) as error:
            ask(asker, [question(str(n)) for n in range(200)], tmp_path, runtime())
        assert sum(server.asked.values()) <= 8
    assert "sk-marked" not in str(error.value)
    assert "200 are missing" in str(error.value)


def test_a_server_that_is_down_is_not_waited_for_by_every_question(judge_server, runtime, client, question, tmp_path):
    with judge_server(trouble=lambda _text, _try: "server") as server:
        with pytest.raises(WorldError, match=r"in a row failed.*HTTP 500.*same line"):
            ask(client(server.url), [question(str(n)) for n in range(500)], tmp_path, runtime(tries=2))
        assert len(server.asked) < 50


def test_nothing_is_paid_beyond_the_limit_and_the_next_run_goes_on(judge_server, runtime, client, question, tmp_path):
    prices = {"planted": {"input": 0.0, "output": 1e6}}  # 1 for each token that comes back
    texts = [question(f"n {n}") for n in range(100)]
    with judge_server(answer=lambda _: "Verdict: A>B") as server:  # two tokens
        asker = client(server.url, max_tokens=3)
        limited = runtime(prices=prices, spending_limit=60.0)
        with pytest.raises(LabError, match=r"spending limit of 60.*same line"):
            ask(asker, texts, tmp_path, limited)
        num_paid = sum(server.delivered.values())
        assert num_paid == 29  # 58 are spent, and another one could cost three
        with pytest.raises(LabError, match="spending limit"):
            ask(asker, texts, tmp_path, limited)
        assert sum(server.delivered.values()) == num_paid  # what was spent before counts
        asked = ask(asker, texts, tmp_path, runtime(prices=prices, spending_limit=1000.0))
        assert set(server.delivered.values()) == {1}
    assert asked.bill == {
        "questions": 100,
        "asked": 71,
        "failed": 0,
        "input_tokens": 200,
        "output_tokens": 200,
        "money": 200.0,
    }


def test_a_limit_without_a_price_is_refused_and_an_unknown_price_is_unknown(
    judge_server, runtime, client, question, tmp_path
):
    with judge_server() as server:
        with pytest.raises(ConfigError, match="no price of planted"):
            ask(client(server.url), [question("x")], tmp_path, runtime(spending_limit=1.0))
        assert not server.asked
        assert ask(client(server.url), [question("x")], tmp_path, runtime()).bill["money"] == "unknown"


KILLED = """
import sys; sys.path.insert(0, sys.argv[3])
from pathlib import Path
from types import SimpleNamespace
from finetune_lab.client.openai import OpenAI
from finetune_lab.inference.clients.asking import ask
from finetune_lab.inference.clients.exchange import Request
from finetune_lab.inference.clients.limits import Limits
limits = Limits(concurrency=4, timeout_seconds=5, tries=2, first_wait_seconds=0.01, longest_wait_seconds=0.1,
                patience_seconds=9, spending_limit=None, prices={})
client = OpenAI(model="planted", endpoint=sys.argv[1], api_key_env=None, family=None, max_tokens=64, temperature=0.0,
                top_logprobs=5, limit_field="max_tokens", options={})
questions = [Request(messages=({"role": "user", "content": f"n {n}"},)) for n in range(60)]
ask(client, questions, Path(sys.argv[2]), SimpleNamespace(judges=limits))
"""


def start(url, place, root):
    return subprocess.Popen([sys.executable, "-c", KILLED, f"{url}/v1", str(place), str(root)])


@pytest.mark.slow
def test_killed_and_started_again_it_asks_only_what_is_missing(judge_server, tmp_path, root):
    with judge_server(latency_seconds=0.1) as server:
        process = start(server.url, tmp_path, root)
        while sum(server.delivered.values()) < 20:
            time.sleep(0.01)
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = -1
        while before != sum(server.asked.values()):  # what was under way reaches the server
            before = sum(server.asked.values())
            time.sleep(0.5)
        (path,) = tmp_path.glob("*/replies.jsonl")
        kept, asked = path.read_bytes().count(b"\n"), Counter(server.asked)
        assert kept >= 20 - 4
        with path.open("ab") as stream:
            stream.write(b'{"key": "torn')  # as a kill in the middle of a line leaves it
        assert start(server.url, tmp_path, root).wait() == 0
        again = server.asked - asked
    assert sum(again.values()) == 60 - kept
    assert len(path.read_bytes().splitlines()) == 60
    assert len({json.loads(line)["key"] for line in path.read_bytes().splitlines()}) == 60


@pytest.mark.slow
def test_two_processes_at_once_pay_for_each_question_once(judge_server, tmp_path, root):
    with judge_server(latency_seconds=0.02) as server:
        processes = [start(server.url, tmp_path, root) for _ in range(2)]
        assert [process.wait() for process in processes] == [0, 0]
        assert len(server.asked) == 60
        assert set(server.asked.values()) == {1}


def test_as_many_are_under_way_at_once_as_the_limit_says_and_no_more(judge_server, runtime, client, question, tmp_path):
    barrier, lock, now, most = threading.Barrier(16), threading.Lock(), [0], [0]

    def answer(_):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        barrier.wait(timeout=60)  # passed only by sixteen together
        with lock:
            now[0] -= 1
        return "Verdict: A>B"

    with judge_server(answer=answer) as server:
        limits = runtime(concurrency=16, timeout_seconds=60, tries=1)
        asked = ask(client(server.url), [question(f"n {n}") for n in range(64)], tmp_path, limits)
    assert all(isinstance(one, Reply) for one in asked.outcomes)
    assert most == [16]


def test_what_is_kept_is_read_without_a_lock_a_key_or_a_server(judge_server, runtime, client, question, tmp_path):
    with judge_server() as server:
        asker = client(server.url)
        ask(asker, [question("x")], tmp_path, runtime())
    with held(folder_of(asker, tmp_path)):  # another process is asking
        asked = ask(asker, [question("x"), question("x")], tmp_path, runtime())
    assert len(asked.outcomes) == 2
    assert asked.bill["asked"] == 0
    assert asked.bill["questions"] == 1


def test_another_model_endpoint_or_parameter_is_another_judge(client, tmp_path):
    one = client("http://a")
    others = [client("http://b"), client("http://a", model="x"), client("http://a", max_tokens=3)]
    others += [client("http://a", temperature=None), client("http://a", options={"seed": 1})]
    assert len({folder_of(other, tmp_path) for other in [one, *others]}) == 6
    assert folder_of(client("http://a", api_key_env="ANOTHER_KEY"), tmp_path) == folder_of(one, tmp_path)
