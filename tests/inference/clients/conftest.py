"""What the tests of judge clients share: limits that do not wait, and a client for a server."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from finetune_lab.client.openai import OpenAI
from finetune_lab.inference.clients.exchange import Request
from finetune_lab.inference.clients.limits import Limits

SWIFT = {
    "concurrency": 8,
    "timeout_seconds": 30.0,
    "tries": 4,
    "first_wait_seconds": 0.01,
    "longest_wait_seconds": 0.05,
    "patience_seconds": 30,
    "spending_limit": None,
    "prices": {},
}


@pytest.fixture
def runtime() -> Callable[..., SimpleNamespace]:
    """A runtime with quick limits; `runtime(tries=2)` changes them."""
    return lambda **changed: SimpleNamespace(judges=Limits(**{**SWIFT, **changed}), inference_batch_rows=8)


@pytest.fixture
def client() -> Callable[..., OpenAI]:
    """A client of the server with this address."""

    def make(url: str, **changed) -> OpenAI:
        known = {"model": "planted", "endpoint": f"{url}/v1", "api_key_env": None, "family": None, "max_tokens": 64}
        known |= {"temperature": 0.0, "top_logprobs": 5, "limit_field": "max_tokens", "options": {}}
        return OpenAI(**{**known, **changed})

    return make


@pytest.fixture
def question() -> Callable[..., Request]:
    """The question with this text."""

    def make(text: str, **more) -> Request:
        return Request(messages=({"role": "user", "content": text},), **more)

    return make
