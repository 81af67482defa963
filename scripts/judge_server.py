"""A judge model that is none: a real HTTP server that answers as one does, late or wrongly where it is told to.

Speaks OpenAI's chat completions and Anthropic's messages. Tests and benchmarks run it; by hand:

    python scripts/judge_server.py --port 8123 --latency 0.05
"""

import argparse
import json
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# what it can do instead of answering; each is asked for by name, see JudgeServer.trouble
TROUBLES = (
    *("busy", "busy until", "server", "overloaded", "reset", "cut", "empty", "half", "garbage", "no choices", "slow"),
    *("key", "model", "credit", "too long"),
)


def plain_answer(_text: str) -> str:
    """What it says unless a test wants something else."""
    return "Both are fine, the first a little more so.\nVerdict: A>B"


class JudgeServer:
    """A server on a port of its own for the length of a `with`.

    `answer` maps the last turn's text to what is said. `trouble` maps that text and the number of the try (0 first)
    to the name of a trouble or None. `asked` counts every request by text, `delivered` the completions that went out
    whole, which is what a vendor bills.
    """

    def __init__(
        self,
        answer: Callable[[str], str] = plain_answer,
        trouble: Callable[[str, int], str | None] = lambda _text, _try: None,
        *,
        latency_seconds: float = 0.0,
        retry_after_seconds: float = 0.1,
        port: int = 0,
    ) -> None:
        self.answer, self.trouble = answer, trouble
        self.latency_seconds, self.retry_after_seconds = latency_seconds, retry_after_seconds
        self.asked: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.times: list[tuple[float, str | None]] = []
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where it is; OpenAI's clients add nothing but the verb to `<url>/v1`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "JudgeServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: JudgeServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_POST(self) -> None:
        owner = self.server.owner
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = body["messages"][-1]["content"]
        with owner.lock:
            number = owner.asked[text]
            owner.asked[text] += 1
            owner.bodies.append(body)
            trouble = owner.trouble(text, number)
            owner.times.append((time.monotonic(), trouble))
        time.sleep(owner.latency_seconds)
        if trouble is not None:
            self._misbehave(trouble, body, text)
            return
        whole = self._completion(body, text)
        if not self._alone(0):
            self._send(200, whole)
            with owner.lock:
                owner.delivered[text] += 1

    def _alone(self, seconds: float) -> bool:
        """Whether the client hangs up within these seconds."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""

    def _misbehave(self, trouble: str, body: dict[str, Any], text: str) -> None:
        owner, whole = self.server.owner, self._completion(body, text)
        wait = {"busy": str(owner.retry_after_seconds), "busy until": formatdate(time.time() + 1.5, usegmt=True)}
        secret = self.headers.get("authorization", "") + self.headers.get("x-api-key", "")
        refusals = {
            "busy": (429, "too many requests"),
            "busy until": (429, "too many requests"),
            "server": (500, "oops"),
            "overloaded": (529, "overloaded"),
            "key": (401, f"wrong key: {secret}"),  # a server that repeats what it was sent
            "model": (404, "there is no such model"),
            "credit": (429, "insufficient_quota: you have no credit left"),
            "too long": (400, "the context is too long"),
        }
        if trouble in refusals:
            status, message = refusals[trouble]
            told = json.dumps({"error": {"message": message, "type": "x"}}).encode()
            self._send(status, told, {"retry-after": wait[trouble]} if trouble in wait else {})
        elif trouble == "reset":
            self.close_connection = True
            self.connection.close()
        elif trouble == "slow":  # until nobody waits any more
            self.close_connection = self._alone(60)
        elif trouble == "cut":
            self._send(200, whole[: len(whole) // 2], {}, length=len(whole))
            self.close_connection = True
        else:
            bodies = {"empty": b"", "half": whole[: len(whole) // 2], "no choices": b'{"choices": [], "content": null}'}
            self._send(200, bodies.get(trouble, b"<html>a proxy says hello</html>"))

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _completion(self, body: dict[str, Any], text: str) -> bytes:
        said = self.server.owner.answer(text)
        counts = len(text.split()), len(said.split())
        if self.path.endswith("/messages"):
            usage = dict(zip(("input_tokens", "output_tokens"), counts, strict=True))
            content = [{"type": "text", "text": said}]
            return json.dumps({"content": content, "stop_reason": "end_turn", "usage": usage}).encode()
        choice: dict[str, Any] = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": said},
        }
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [_token(piece) for piece in _pieces(said)]}
        usage = dict(zip(("prompt_tokens", "completion_tokens"), counts, strict=True))
        return json.dumps({"choices": [choice], "usage": usage}).encode()


def _pieces(text: str) -> list[str]:
    """Tokens: every digit run is one, and so is what stands between."""
    pieces, now = [], ""
    for character in text:
        if now and character.isdigit() != now[-1].isdigit():
            pieces.append(now)
            now = ""
        now += character
    return [*pieces, now] if now else pieces


def _token(piece: str) -> dict[str, Any]:
    """A number is held with 3/4; the next lower one gets the rest."""
    top = [{"token": piece, "logprob": -0.2876820724517809}]
    if piece.isdigit():
        top.append({"token": str(int(piece) - 1), "logprob": -1.3862943611198906})
    return {"token": piece, "logprob": top[0]["logprob"], "top_logprobs": top}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    chosen = parser.parse_args()
    with JudgeServer(latency_seconds=chosen.latency, port=chosen.port) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
