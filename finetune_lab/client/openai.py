"""A model behind an OpenAI-compatible server: OpenAI, vLLM, Ollama, llama.cpp, `transformers serve`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from finetune_lab.errors import WorldError
from finetune_lab.inference.clients.exchange import Reply, Request, Token
from finetune_lab.inference.clients.keys import check_endpoint, check_variable, key_of
from finetune_lab.inference.clients.vendors import VendorTransport
from finetune_lab.plugin import plugin


@plugin
class OpenAI:
    """`api_key_env` names the variable with the key; null for a server that asks for none.

    `temperature` null leaves it to the server (some models take none). `limit_field` is how the server calls the limit
    of new tokens. `options` go into the request as they are. `family` is for the check of a judge against its own kind
    where the model's name does not tell it.
    """

    is_free: ClassVar[bool] = False
    model: Annotated[str, Field(min_length=1)]
    endpoint: str
    api_key_env: str | None
    family: str | None
    max_tokens: PositiveInt
    temperature: Annotated[float, Field(ge=0)] | None
    top_logprobs: Annotated[int, Field(ge=0, le=20)]
    limit_field: Literal["max_tokens", "max_completion_tokens"]
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
        if find_spec("openai") is None:
            raise WorldError("client=openai needs the package openai: pip install 'finetune-lab[judges]'")
        key_of(self.api_key_env)

    @contextmanager
    def open(self, runtime: Any) -> Iterator[VendorTransport]:
        """A client with its connections, for the length of a `with`."""
        import openai

        key = key_of(self.api_key_env)
        seconds = runtime.judges.timeout_seconds
        with openai.OpenAI(api_key=key or "none", base_url=self.endpoint, max_retries=0, timeout=seconds) as client:
            create = client.chat.completions.with_raw_response.create
            yield VendorTransport(
                package=openai, send=lambda request: create(**self._body(request)), read=_reply, secret=key
            )

    def _body(self, request: Request) -> dict[str, Any]:
        messages = [dict(one) for one in request.messages]
        body: dict[str, Any] = {"model": self.model, "messages": messages, self.limit_field: self.max_tokens}
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if request.scale and self.top_logprobs:
            body |= {"logprobs": True, "top_logprobs": self.top_logprobs}
        return body | ({"extra_body": dict(self.options)} if self.options else {})


def _reply(body: Any) -> Reply:
    choice = body["choices"][0]
    message, usage = choice["message"], body.get("usage") or {}
    text = message.get("content") or message.get("refusal") or ""
    if not isinstance(text, str):
        raise TypeError("the content of a completion is text")
    listed = (choice.get("logprobs") or {}).get("content") or []
    return Reply(
        text=text,
        num_input_tokens=usage.get("prompt_tokens"),
        num_output_tokens=usage.get("completion_tokens"),
        finish={"stop": "end"}.get(str(choice.get("finish_reason")), str(choice.get("finish_reason"))),
        tokens=tuple(_token(one) for one in listed),
    )


def _token(one: Any) -> Token:
    top = {str(other["token"]): float(other["logprob"]) for other in one.get("top_logprobs") or []}
    return Token(text=str(one["token"]), top=top)
