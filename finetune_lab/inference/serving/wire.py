"""What goes over the line: requests as they must be, and answers in the form of OpenAI's chat completions."""

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finetune_lab.records import Decoding, Message

_MAX_MESSAGES = 1000
_MAX_STOPS = 4


class Refused(Exception):  # noqa: N818
    """A request that gets an error: its status, and what is wrong in a sentence."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Part(_Strict):
    type: Literal["text"]
    text: str


class _Turn(_Strict):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part]
    name: str | None = None

    def plain(self) -> Message:
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class _StreamOptions(_Strict):
    include_usage: bool = False
    include_obfuscation: bool = False


Stop = Annotated[str, Field(min_length=1, max_length=200)]


class Completion(_Strict):
    """A request. What is not done here (tools, several answers, log-probabilities) is refused, never ignored."""

    model: str
    messages: Annotated[list[_Turn], Field(min_length=1, max_length=_MAX_MESSAGES)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=_MAX_STOPS)] | None = None
    stream: bool = False
    stream_options: _StreamOptions | None = None
    n: Literal[1] | None = None
    frequency_penalty: Literal[0] | None = None
    presence_penalty: Literal[0] | None = None
    chat_template_kwargs: dict[str, bool | int | str] = Field(default_factory=dict)
    user: str | None = None

    @property
    def turns(self) -> list[Message]:
        """The conversation as plain messages."""
        return [turn.plain() for turn in self.messages]

    @property
    def stops(self) -> list[str]:
        """The texts that end the answer."""
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or [])

    def decoding(self, own: Decoding, drawn: int) -> Decoding:
        """The server's own settings with what the request changes; `drawn` is the seed of one that names none.

        Raises Refused for more tokens than the server allows.
        """
        asked = self.max_completion_tokens or self.max_tokens or own.max_new_tokens
        if asked > own.max_new_tokens:
            raise Refused(400, f"max_tokens: at most {own.max_new_tokens} here, got {asked}")
        names = ("temperature", "top_p", "top_k", "repetition_penalty")
        changes = {name: value for name in names if (value := getattr(self, name)) is not None}
        seed = drawn if self.seed is None else self.seed
        return Decoding(**{**vars(own), **changes, "max_new_tokens": asked, "seed": seed})


def read_completion(body: bytes) -> Completion:
    """Raises Refused with every mistake in one sentence; what was sent is not repeated."""
    try:
        return Completion.model_validate_json(body)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()[:8]]
        raise Refused(400, "; ".join(found)[:1000]) from None


class StopText:
    """Ends a text at the first of several strings, which is not part of it; what may be its beginning waits."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""

    def take(self, text: str, *, last: bool) -> tuple[str, bool]:
        """What may be shown now, and whether the text has ended at one of the strings."""
        self._held += text
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            return self._held[: min(places)], True
        keep = 0 if last else max((self._overlap(stop) for stop in self._stops), default=0)
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown, False

    def _overlap(self, stop: str) -> int:
        """How many of the last characters could be the beginning of `stop`."""
        return next((size for size in range(len(stop) - 1, 0, -1) if self._held.endswith(stop[:size])), 0)


def whole(name: str, model: str, text: str, finish: str, usage: Mapping[str, int]) -> dict[str, Any]:
    """The body of an answer that is sent at once."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish, "logprobs": None}
    return _head(name, model, "chat.completion") | {"choices": [choice], "usage": dict(usage)}


def chunk(name: str, model: str, delta: Mapping[str, str], finish: str | None) -> dict[str, Any]:
    """One event of a stream."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish, "logprobs": None}
    return _head(name, model, "chat.completion.chunk") | {"choices": [choice]}


def usage_chunk(name: str, model: str, usage: Mapping[str, int]) -> dict[str, Any]:
    """The last event of a stream that was asked to tell its usage."""
    return _head(name, model, "chat.completion.chunk") | {"choices": [], "usage": dict(usage)}


def usage_of(num_prompt_tokens: int, num_tokens: int) -> dict[str, int]:
    """What was read and written."""
    total = num_prompt_tokens + num_tokens
    return {"prompt_tokens": num_prompt_tokens, "completion_tokens": num_tokens, "total_tokens": total}


def _head(name: str, model: str, kind: str) -> dict[str, Any]:
    return {"id": name, "object": kind, "created": int(time.time()), "model": model}
