"""A model of Anthropic's, by its own interface."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar

from pydantic import Field, PositiveInt

from finetune_lab.errors import WorldError
from finetune_lab.inference.clients.exchange import Reply, Request
from finetune_lab.inference.clients.keys import check_endpoint, check_variable, key_of
from finetune_lab.inference.clients.vendors import VendorTransport
from finetune_lab.plugin import plugin


@plugin
class Anthropic:
    """`api_key_env` names the variable with the key. `temperature` null leaves it out: some models take none.

    The interface tells no probabilities, so a rubric takes the scores as they are written, or several samples.
    """

    is_free: ClassVar[bool] = False
    model: Annotated[str, Field(min_length=1)]
    endpoint: str
    api_key_env: str | None
    family: str | None
    max_tokens: PositiveInt
    temperature: Annotated[float, Field(ge=0, le=1)] | None
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_variable("client.api_key_env", self.api_key_env)
        check_endpoint("client.endpoint", self.endpoint)

    def identity(self) -> dict[str, Any]:
        """Model, endpoint and parameters; which variable holds the key is the machine's affair."""
        left_out = ("api_key_env", "family")
        return {name: value for name, value in vars(self).items() if name not in left_out}

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    def check(self) -> None:
        """Raise WorldError where the package or the key is missing."""
        if find_spec("anthropic") is None:
            raise WorldError("client=anthropic needs the package anthropic: pip install 'finetune-lab[judges]'")
        key_of(self.api_key_env)

    @contextmanager
    def open(self, runtime: Any) -> Iterator[VendorTransport]:
        """A client with its connections, for the length of a `with`."""
        import anthropic

        key = key_of(self.api_key_env)
        seconds = runtime.judges.timeout_seconds
        with anthropic.Anthropic(
            api_key=key or "none", base_url=self.endpoint, max_retries=0, timeout=seconds
        ) as client:
            create = client.messages.with_raw_response.create
            yield VendorTransport(
                package=anthropic, send=lambda request: create(**self._body(request)), read=_reply, secret=key
            )

    def _body(self, request: Request) -> dict[str, Any]:
        system = "\n\n".join(one["content"] for one in request.messages if one["role"] == "system")
        turns = [dict(one) for one in request.messages if one["role"] != "system"]
        extra = dict(self.options) | ({} if self.temperature is None else {"temperature": self.temperature})
        body: dict[str, Any] = {"model": self.model, "max_tokens": self.max_tokens, "messages": turns}
        return body | ({"system": system} if system else {}) | ({"extra_body": extra} if extra else {})


def _reply(body: Any) -> Reply:
    usage = body.get("usage") or {}
    text = "".join(part["text"] for part in body["content"] if part["type"] == "text")
    return Reply(
        text=text,
        num_input_tokens=usage.get("input_tokens"),
        num_output_tokens=usage.get("output_tokens"),
        finish={"end_turn": "end", "max_tokens": "length"}.get(str(body.get("stop_reason")), str(body["stop_reason"])),
    )
