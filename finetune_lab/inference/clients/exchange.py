"""What passes between a judge model and us: a request, its reply or why there is none, and what a client must do."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal, Protocol

from finetune_lab.records import Message

Kind = Literal["busy", "server", "connection", "timeout", "malformed", "refused", "account", "not asked"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question. `scale`: words whose probabilities are wanted where the answer ends on one of them.

    `sample` numbers the draws where the same question is asked several times.
    """

    messages: tuple[Message, ...]
    scale: tuple[str, ...] = ()
    sample: int = 0

    @property
    def key(self) -> str:
        """The name of the question, whoever is asked."""
        content = {"messages": [dict(one) for one in self.messages], "scale": self.scale, "sample": self.sample}
        plain = json.dumps(content, sort_keys=True, ensure_ascii=True)
        return sha256(plain.encode()).hexdigest()[:32]

    @property
    def num_bytes(self) -> int:
        """The bytes of all messages."""
        return sum(len(one["content"].encode("utf-8", "replace")) for one in self.messages)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token of an answer, and the log-probabilities of what could have stood there instead."""

    text: str
    top: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer that was received whole, and so paid for. None: the server did not say how many tokens."""

    text: str
    num_input_tokens: int | None
    num_output_tokens: int | None
    finish: str  # "end", "length", or what else the server says
    tokens: tuple[Token, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"tokens": [[one.text, dict(one.top)] for one in self.tokens]}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Reply":
        tokens = tuple(Token(text=text, top=top) for text, top in row["tokens"])
        return cls(**{name: row[name] for name in cls.__dataclass_fields__ if name != "tokens"}, tokens=tokens)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a question has no reply. Never kept: the next run asks again."""

    kind: Kind
    reason: str


Outcome = Reply | Failure


class Trouble(Exception):  # noqa: N818
    """What went wrong with one request, told apart by what can be done about it.

    busy: we are too fast (429); all wait. server, connection, timeout, malformed: theirs, and it may pass; this one
    waits. refused: this request alone will never do (400). account: no request will do (401, 403, 404, no credit).
    """

    def __init__(self, kind: Kind, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.kind: Kind = kind
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds

    @property
    def may_be_billed(self) -> bool:
        """Whether the server may have done the work although nothing of it arrived."""
        return self.kind in ("connection", "timeout", "malformed")


class Transport(Protocol):
    """An open way to a model. `rows_at_once` requests go in one call, from at most `most_at_a_time` threads."""

    rows_at_once: int
    most_at_a_time: int | None

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer the requests, in their order. Raises Trouble."""


class Client(Protocol):
    """A plugin of the group `client`: which model, where, with which parameters. These are its identity."""

    @property
    def name(self) -> str:
        """The model as people call it, and as prices know it."""

    @property
    def family(self) -> str | None:
        """The family of models that it belongs to where the config says so."""

    @property
    def max_tokens(self) -> int: ...
    @property
    def is_free(self) -> bool: ...
    @property
    def temperature(self) -> float | None: ...
    def check(self) -> None:
        """Raise WorldError where it cannot be used: no key, no file."""

    def open(self, runtime: Any) -> AbstractContextManager[Transport]: ...
