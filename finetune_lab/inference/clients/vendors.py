"""The vendors' clients, as both are built: one call, one reply, errors in our words, and their own retries off."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from finetune_lab.inference.clients.exchange import Kind, Reply, Request, Trouble
from finetune_lab.inference.clients.keys import without
from finetune_lab.inference.clients.waiting import retry_after

_NO_CREDIT = ("insufficient_quota", "billing", "credit balance")
_PASSING_STATUS = (408, 409, 425)
_MOST_SHOWN = 200


class VendorTransport:
    """One HTTP call for each request. `send` makes it and gives the raw response, `read` takes its JSON apart."""

    rows_at_once = 1
    most_at_a_time: int | None = None

    def __init__(
        self, *, package: Any, send: Callable[[Request], Any], read: Callable[[Any], Reply], secret: str | None
    ) -> None:
        self._package, self._send, self._read, self._secret = package, send, read, secret

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        return [self._complete(request) for request in requests]

    def _complete(self, request: Request) -> Reply:
        # `from None` throughout: the vendor's exceptions hold the request, and with it the key
        try:
            content = self._send(request).http_response.content
        except self._package.APITimeoutError:
            raise Trouble("timeout", "no reply in time") from None
        except self._package.APIStatusError as error:
            raise self._of_status(error) from None
        except self._package.APIConnectionError as error:
            raise Trouble("connection", self._told(f"connection lost: {error.__cause__ or error}")) from None
        try:
            reply = self._read(json.loads(content))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise Trouble("malformed", self._told(f"not a completion: {_start(content)!r}")) from None
        said = "".join(token.text for token in reply.tokens)
        clean = {"text": without(reply.text, self._secret), "tokens": reply.tokens}
        if self._secret and self._secret in said:  # in pieces it could not be blacked out
            clean["tokens"] = ()
        return Reply(**{**vars(reply), **clean})

    def _of_status(self, error: Any) -> Trouble:
        status, text = int(error.status_code), str(error.message)
        kind: Kind = "refused"
        if status == 429:
            kind = "account" if any(word in text.lower() for word in _NO_CREDIT) else "busy"
        elif status >= 500 or status in _PASSING_STATUS:
            kind = "server"
        elif status in (401, 402, 403, 404):
            kind = "account"
        wait = retry_after(error.response.headers.get("retry-after"))
        return Trouble(kind, self._told(f"HTTP {status}: {text.partition(' - ')[2] or text}"), wait)

    def _told(self, text: str) -> str:
        told = " ".join(without(text, self._secret).split())
        return told if len(told) <= _MOST_SHOWN else f"{told[: _MOST_SHOWN - 1]}…"


def _start(content: bytes) -> str:
    return content[:60].decode("utf-8", "replace")
