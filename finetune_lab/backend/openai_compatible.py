"""Any OpenAI-compatible server: vLLM, Ollama, llama.cpp's server, `transformers serve`, task=serve."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pydantic import PositiveFloat, SkipValidation

from finetune_lab.errors import WorldError
from finetune_lab.inference.backends import Served
from finetune_lab.inference.clients.exchange import Request, Trouble
from finetune_lab.plugin import plugin
from finetune_lab.records import Answer, Decoding, Message

_HOW = (
    "start one, for instance `python -m finetune_lab task=serve`, `vllm serve FOLDER`, `ollama serve` or "
    "`llama-server -m model.gguf`, and name its address and model: "
    "task.backends.openai_compatible.client.endpoint=… client.model=…"
)


@plugin
class OpenAICompatible:
    """`client` is the choice `openai` of the group `client`: endpoint, model, and the name of the key's variable."""

    client: SkipValidation[Any]
    connect_seconds: PositiveFloat

    def check(self) -> None:
        """Raise WorldError where nothing listens, or package or key are missing."""
        self.client.check()
        place = urlsplit(self.client.endpoint)
        port = place.port or (443 if place.scheme == "https" else 80)
        try:
            with socket.create_connection((place.hostname or "", port), timeout=self.connect_seconds):
                pass
        except OSError as error:
            raise WorldError(
                f"no server answers at {self.client.endpoint} ({error.strerror or error}); {_HOW}"
            ) from None

    @contextmanager
    def open(self, served: Served, runtime: Any) -> Iterator["_Server"]:
        """The server is there already; connections are opened when they are needed."""
        yield _Server(self.client, runtime)


class _Server:
    local = False

    def __init__(self, client: Any, runtime: Any) -> None:
        self._client = client
        self._runtime = runtime

    def generate(
        self, prompts: Mapping[str, Sequence[Message]], decoding: Decoding, *, at_once: int
    ) -> Iterator[Answer]:
        client = replace(self._client, max_tokens=decoding.max_new_tokens, temperature=decoding.temperature)
        requests = {name: Request(messages=tuple(turns)) for name, turns in prompts.items()}
        with client.open(self._runtime) as transport, ThreadPoolExecutor(at_once) as pool:

            def ask(name: str) -> Answer:
                try:
                    (reply,) = transport.complete([requests[name]])
                except Trouble as trouble:
                    raise WorldError(f"{client.endpoint}: {trouble.kind}, {trouble.reason}") from None
                return Answer(
                    sample=name,
                    text=reply.text,
                    num_prompt_tokens=reply.num_input_tokens or 0,
                    num_tokens=reply.num_output_tokens or 0,
                    finish="length" if reply.finish == "length" else "end",
                )

            yield from pool.map(ask, requests)
