"""The server's routes: /v1/chat/completions, whole or as a stream, /v1/models and /health."""

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from finetune_lab.errors import LabError
from finetune_lab.inference.serving.wire import (
    Completion,
    Refused,
    StopText,
    chunk,
    read_completion,
    usage_chunk,
    usage_of,
    whole,
)
from finetune_lab.inference.serving.worker import Asked, Full, Worker
from finetune_lab.inference.streaming import Piece
from finetune_lab.records import Decoding
from finetune_lab.text.chat import Chat

_LOOK_SECONDS = 0.25  # how often a client that waits for a whole answer is looked after
_REASONS = {"end": "stop", "length": "length"}


@dataclass(frozen=True, kw_only=True)
class Offered:
    """One model as clients see it: the adapter that is switched on, None for the bare weights, and its chat."""

    adapter: str | None
    chat: Chat


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is served. `models`: by the name that clients use.

    `key`: what clients must show, None for nothing. `hosts`: the names that the server may be called by, None for any.
    """

    models: dict[str, Offered]
    decoding: Decoding
    max_total_tokens: int
    max_body_bytes: int
    key: str | None
    hosts: frozenset[str] | None


class Server:
    """The routes over one worker."""

    def __init__(self, settings: Settings, worker: Worker) -> None:
        self._settings = settings
        self._worker = worker

    def app(self) -> Starlette:
        """What uvicorn runs."""

        @asynccontextmanager
        async def life(_: Starlette) -> AsyncIterator[None]:
            self._worker.start()
            try:
                yield
            finally:
                await asyncio.to_thread(self._worker.stop)

        routes = [
            Route("/v1/chat/completions", self._guarded(self._complete), methods=["POST"]),
            Route("/v1/models", self._guarded(self._models), methods=["GET"]),
            Route("/v1/models/{name:path}", self._guarded(self._model), methods=["GET"]),
            Route("/health", self._health, methods=["GET"]),
        ]
        return Starlette(routes=routes, lifespan=life)

    def _guarded(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Errors in OpenAI's form, and nobody without the key."""

        async def guarded(request: Request) -> Response:
            try:
                self._check_caller(request)
                found: Response = await answer(request)
                return found
            except Refused as refused:
                about = {"message": refused.message, "type": refused.kind, "param": None, "code": refused.status}
                headers = {"Retry-After": "1"} if refused.status == 429 else {}
                return JSONResponse({"error": about}, status_code=refused.status, headers=headers)

        return guarded

    def _check_caller(self, request: Request) -> None:
        host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        if self._settings.hosts is not None and host not in self._settings.hosts:
            raise Refused(403, "this server is called by its own address only")  # not by a page in a browser
        if self._settings.key is None:
            return
        shown = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(shown.encode(), self._settings.key.encode()):
            raise Refused(401, "the key is missing or wrong: Authorization: Bearer …", "authentication_error")

    async def _health(self, _: Request) -> Response:
        writing, waiting = self._worker.load
        return JSONResponse({"writing": writing, "waiting": waiting})

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_model(name) for name in self._settings.models]})

    async def _model(self, request: Request) -> Response:
        name = request.path_params["name"]
        self._offered(name)
        return JSONResponse(_model(name))

    def _offered(self, name: str) -> Offered:
        if name not in self._settings.models:
            raise Refused(404, f"there is no such model; there are: {', '.join(self._settings.models)}")
        return self._settings.models[name]

    async def _complete(self, request: Request) -> Response:
        asked = read_completion(await self._body(request))
        line: asyncio.Queue[Piece | Exception] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def hand(piece: Piece | Exception) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(line.put_nowait, piece)

        work = self._asked(asked, hand)
        try:
            self._worker.ask(work)
        except Full:
            raise Refused(429, "too many requests are waiting; try again in a moment", "rate_limit_error") from None
        if asked.stream:
            return StreamingResponse(self._events(asked, work, line), media_type="text/event-stream")
        return await self._whole(request, asked, work, line)

    async def _body(self, request: Request) -> bytes:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Refused(415, "content-type must be application/json")
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                if len(body) > self._settings.max_body_bytes:
                    raise Refused(413, f"at most {self._settings.max_body_bytes} bytes")
        except ClientDisconnect:
            raise Refused(400, "the request was cut off") from None
        return bytes(body)

    def _asked(self, asked: Completion, hand: Callable[[Piece | Exception], None]) -> Asked:
        offered = self._offered(asked.model)
        decoding = asked.decoding(self._settings.decoding, secrets.randbits(32))
        chat = offered.chat.with_options(asked.chat_template_kwargs or {})
        try:
            prompt = chat.prompt(asked.turns)
        except LabError as error:
            raise Refused(400, f"messages: {error}") from None
        if len(prompt) + decoding.max_new_tokens > self._settings.max_total_tokens:
            raise Refused(
                400,
                f"the prompt has {len(prompt)} tokens and up to {decoding.max_new_tokens} were asked for; together "
                f"at most {self._settings.max_total_tokens} are possible",
            )
        return Asked(
            name=f"chatcmpl-{secrets.token_hex(12)}",
            adapter=offered.adapter,
            prompt=prompt,
            decoding=decoding,
            hand=hand,
        )

    async def _whole(
        self, request: Request, asked: Completion, work: Asked, line: "asyncio.Queue[Piece | Exception]"
    ) -> Response:
        texts: list[str] = []
        usage, reason = usage_of(len(work.prompt), 0), "stop"
        async for text, piece, ended in self._pieces(asked, work, line, request):
            texts.append(text)
            usage = usage_of(piece.num_prompt_tokens, piece.num_tokens)
            reason = ended or reason
        return JSONResponse(whole(work.name, asked.model, "".join(texts), reason, usage))

    async def _events(
        self, asked: Completion, work: Asked, line: "asyncio.Queue[Piece | Exception]"
    ) -> AsyncIterator[str]:
        usage = usage_of(len(work.prompt), 0)
        yield _event(chunk(work.name, asked.model, {"role": "assistant", "content": ""}, None))
        try:
            async for text, piece, ended in self._pieces(asked, work, line, None):
                usage = usage_of(piece.num_prompt_tokens, piece.num_tokens)
                if text:
                    yield _event(chunk(work.name, asked.model, {"content": text}, None))
                if ended:
                    yield _event(chunk(work.name, asked.model, {}, ended))
        except Refused as refused:  # the status has been sent: the error goes where the rest of the answer would be
            yield _event({"error": {"message": refused.message, "type": refused.kind, "code": refused.status}})
            return
        if asked.stream_options and asked.stream_options.include_usage:
            yield _event(usage_chunk(work.name, asked.model, usage))
        yield "data: [DONE]\n\n"

    async def _pieces(
        self, asked: Completion, work: Asked, line: "asyncio.Queue[Piece | Exception]", request: Request | None
    ) -> AsyncIterator[tuple[str, Piece, str | None]]:
        """What may be shown, the piece that it came in, and why the answer ended. Whoever stops reading is gone."""
        stop = StopText(asked.stops)
        try:
            while True:
                piece = await self._next(line, request)
                text, stopped = stop.take(piece.text, last=piece.finish is not None)
                ended = "stop" if stopped else _REASONS.get(piece.finish or "")
                yield text, piece, ended
                if ended:
                    return
        finally:
            self._worker.leave(work)

    @staticmethod
    async def _next(line: "asyncio.Queue[Piece | Exception]", request: Request | None) -> Piece:
        while True:
            try:
                found = await asyncio.wait_for(line.get(), _LOOK_SECONDS if request else None)
            except TimeoutError:
                if request and await request.is_disconnected():
                    raise Refused(499, "the client is gone") from None
                continue
            if isinstance(found, Full):
                raise Refused(503, "the server is being stopped", "server_error")
            if isinstance(found, Exception):
                raise Refused(500, "the model could not answer this", "server_error")
            return found


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "finetune_lab"}


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body)}\n\n"
