"""What judging costs: estimated before, reserved while it is under way, measured after. An unknown price is unknown."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from finetune_lab.errors import ConfigError
from finetune_lab.inference.clients.exchange import Client, Reply, Request
from finetune_lab.inference.clients.limits import Limits, Price

MILLION = 1_000_000
_BYTES_PER_TOKEN = 4  # of English, roughly; only estimates use it
_TOKENS_AROUND = 16  # what a server puts around a message


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a judge would be asked: tokens are about, output at most; money None where the price is unknown."""

    judge: str
    num_requests: int
    num_input_tokens: int
    num_output_tokens: int
    money: float | None

    def line(self) -> str:
        """For people."""
        cost = "price unknown" if self.money is None else f"at most about {self.money:.4g}"
        tokens = f"about {self.num_input_tokens:,} tokens in, at most {self.num_output_tokens:,} out"
        return f"{self.judge}: {self.num_requests} questions, {tokens}; {cost}"


def estimate(client: Client, num_requests: int, num_bytes: int, limits: Limits) -> Estimate:
    """The cost of so many requests with so many bytes of text in all."""
    incoming = num_bytes // _BYTES_PER_TOKEN + num_requests * _TOKENS_AROUND
    outgoing = num_requests * client.max_tokens
    return Estimate(
        judge=client.name,
        num_requests=num_requests,
        num_input_tokens=incoming,
        num_output_tokens=outgoing,
        money=cost(price_of(client, limits), incoming, outgoing),
    )


def price_of(client: Client, limits: Limits) -> Price | None:
    """The price of a client's model: nothing for what runs here, else what the runtime says, else unknown."""
    return Price(input=0, output=0) if client.is_free else limits.prices.get(client.name)


def cost(price: Price | None, num_input_tokens: int | None, num_output_tokens: int | None) -> float | None:
    """Money for tokens; None where the price or a number of tokens is unknown."""
    if price is None or num_input_tokens is None or num_output_tokens is None:
        return None
    return (price.input * num_input_tokens + price.output * num_output_tokens) / MILLION


def bill(client: Client, limits: Limits, replies: Sequence[Reply]) -> dict[str, Any]:
    """What these replies took: tokens, and money where it is known."""
    incoming, outgoing = (
        _known_sum(getattr(reply, name) for reply in replies) for name in ("num_input_tokens", "num_output_tokens")
    )
    money = cost(price_of(client, limits), incoming, outgoing)
    shown = {"input_tokens": incoming, "output_tokens": outgoing, "money": money}
    return {name: "unknown" if value is None else value for name, value in shown.items()}


def _known_sum(values: Iterable[int | None]) -> int | None:
    listed = list(values)
    return None if None in listed else sum(value for value in listed if value is not None)


class Ledger:
    """Holds a spending limit: a request is sent only if the limit holds even at its dearest."""

    def __init__(self, client: Client, limits: Limits, kept: Iterable[Reply]) -> None:
        """Raises ConfigError where there is a limit and no price to hold it by."""
        self._price, self._limit, self._max_tokens = price_of(client, limits), limits.spending_limit, client.max_tokens
        if self._limit is not None and self._price is None:
            raise ConfigError(
                f"runtime.judges.spending_limit: there is no price of {client.name} to hold it by; add "
                f"'+runtime.judges.prices={{{client.name}:{{input:…,output:…}}}}' (for a million tokens)"
            )
        self._settled = threading.Condition()
        self._spent = sum(cost(self._price, one.num_input_tokens, one.num_output_tokens) or 0.0 for one in kept)
        self._reserved, self._num_reserved = 0.0, 0

    def dearest(self, request: Request) -> float:
        """The most that a request can cost: a token has a byte at least."""
        tokens = request.num_bytes + _TOKENS_AROUND * len(request.messages)
        return cost(self._price, tokens, self._max_tokens) or 0.0

    def reserve(self, request: Request) -> bool:
        """Whether the request may be sent; then its dearest price is put aside.

        Where it is only what others have put aside that stands in the way, this waits for them.
        """
        price = self.dearest(request)
        with self._settled:
            while self._limit is not None and self._spent + self._reserved + price > self._limit:
                if self._num_reserved == 0 or self._spent + price > self._limit:
                    return False
                self._settled.wait()
            self._reserved += price
            self._num_reserved += 1
            return True

    def lose(self, request: Request) -> None:
        """A try whose reply did not arrive may be billed all the same."""
        with self._settled:
            self._spent += self.dearest(request)

    def settle(self, request: Request, reply: Reply | None) -> None:
        """Give back what was put aside, and count what the reply took."""
        with self._settled:
            self._num_reserved -= 1
            self._reserved = self._reserved - self.dearest(request) if self._num_reserved else 0.0
            if reply is not None:
                known = cost(self._price, reply.num_input_tokens, reply.num_output_tokens)
                self._spent += self.dearest(request) if known is None else known
            self._settled.notify_all()
