"""How judges are asked: how many at a time, how long one waits, and what it may cost. None of it is identity."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, PositiveInt

from finetune_lab.plugin import plugin

Seconds = Annotated[float, Field(gt=0)]
Money = Annotated[float, Field(ge=0)]


@plugin
class Price:
    """For a million tokens, in a currency of one's choice."""

    input: Money
    output: Money


@plugin
class Limits:
    """`tries` of one request that meets an error of the server, the line, or time; a 429 costs no try but patience.

    Waits grow from `first_wait_seconds` twofold up to `longest_wait_seconds`, with jitter; Retry-After is kept to.
    `spending_limit` is for each judge with all its answers that are kept below outputs, earlier ones too. `prices` are
    by the model's name: a price that is not there is unknown, and never guessed.
    """

    concurrency: PositiveInt
    timeout_seconds: Seconds
    tries: PositiveInt
    first_wait_seconds: Seconds
    longest_wait_seconds: Seconds
    patience_seconds: Seconds
    spending_limit: Money | None
    prices: Mapping[str, Price]
