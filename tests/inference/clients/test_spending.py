"""Money: estimated, reserved, measured; unknown stays unknown."""

import threading

from finetune_lab.inference.clients.exchange import Reply
from finetune_lab.inference.clients.spending import Ledger, bill, cost, estimate

PRICES = {"planted": {"input": 2.0, "output": 10.0}}


def reply(incoming, outgoing):
    return Reply(text="", num_input_tokens=incoming, num_output_tokens=outgoing, finish="end")


def test_an_estimate_and_a_bill(runtime, client):
    limits, asker = runtime(prices=PRICES).judges, client("http://a", max_tokens=100)
    found = estimate(asker, 10, 40_000, limits)
    assert (found.num_input_tokens, found.num_output_tokens) == (10_160, 1000)
    assert found.money == 10_160 * 2e-6 + 1000 * 10e-6
    assert "planted: 10 questions" in found.line()
    assert bill(asker, limits, [reply(500_000, 100_000), reply(500_000, 0)])["money"] == 3.0
    assert bill(asker, limits, [reply(1, 1), reply(None, 1)])["money"] == "unknown"


def test_without_a_price_nothing_is_made_up(runtime, client):
    found = estimate(client("http://a"), 10, 400, runtime().judges)
    assert found.money is None
    assert "price unknown" in found.line()
    assert cost(None, 1, 1) is None


def test_one_that_only_others_reservations_hold_up_waits_for_them(runtime, client, question):
    price = {"planted": {"input": 0.0, "output": 1e6}}
    ledger = Ledger(client("http://a", max_tokens=6), runtime(prices=price, spending_limit=10.0).judges, [])
    one, other = question("a"), question("b")
    assert ledger.reserve(one)  # 6 of 10
    waited = []
    thread = threading.Thread(target=lambda: waited.append(ledger.reserve(other)))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    ledger.settle(one, reply(0, 2))  # 2 of 10
    thread.join(5)
    assert waited == [True]
    ledger.settle(other, reply(0, 6))
    assert not ledger.reserve(one)  # 8 are spent, and it could cost 6
