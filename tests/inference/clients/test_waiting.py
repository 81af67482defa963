"""Waiting: what grows, what is kept to, what gives up."""

import random
import threading
import time
from email.utils import formatdate

import pytest

from finetune_lab.inference.clients.exchange import Trouble
from finetune_lab.inference.clients.waiting import Gate, Patience, retry_after


def test_errors_wait_twofold_with_jitter_and_give_up_after_their_tries(runtime):
    limits = runtime(tries=6, first_wait_seconds=1.0, longest_wait_seconds=5.0, patience_seconds=1000).judges
    waits = {n: set() for n in range(5)}
    for seed in range(20):
        patience = Patience(limits, random.Random(seed))
        found = [patience.wait_seconds(Trouble("server", "x")) for _ in range(6)]
        assert found[5] is None
        for n, wait in enumerate(found[:5]):
            assert min(2.0**n, 5) / 2 <= wait <= min(2.0**n, 5)
            waits[n].add(wait)
    assert all(len(drawn) == 20 for drawn in waits.values())


def test_busy_costs_no_try_but_patience(runtime):
    limits = runtime(tries=1, first_wait_seconds=0.5, patience_seconds=30).judges
    patience = Patience(limits, random.Random(0))
    waits = [patience.wait_seconds(Trouble("busy", "x", retry_after_seconds=10.0)) for _ in range(3)]
    assert waits[2] is None
    assert all(10 <= wait <= 10.5 for wait in waits[:2])


@pytest.mark.parametrize("kind", ["refused", "account"])
def test_what_does_not_pass_is_not_waited_for(runtime, kind):
    assert Patience(runtime().judges, random.Random(0)).wait_seconds(Trouble(kind, "x", 5.0)) is None


@pytest.mark.parametrize(("value", "seconds"), [("2.5", 2.5), ("-3", 0.0), (None, None), ("soon", None), ("inf", None)])
def test_a_header_in_seconds(value, seconds):
    assert retry_after(value) == seconds


def test_a_gate_that_is_shut_holds_everybody_until_it_opens_or_all_ends():
    gate, stop, passed = Gate(), threading.Event(), []
    gate.shut(0.3)
    gate.shut(0.1)  # opens no earlier for it
    started = time.monotonic()

    def go():
        gate.pass_through(stop)
        passed.append(time.monotonic() - started)

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(passed) >= 0.3
    gate.shut(1000)
    stop.set()
    gate.pass_through(stop)


def test_a_header_with_a_date():
    assert retry_after(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
