"""The one way to declare something that YAML can name: a frozen value, checked field by field when it is made."""

from typing import ClassVar, dataclass_transform

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


@dataclass_transform(kw_only_default=True, frozen_default=True)
def plugin(cls: type) -> type:
    """Make `cls` a frozen, keyword-only value that refuses unknown names and wrong types, all in one message.

    A plugin's fields are its knobs and enter its fingerprint. A plugin whose knobs are not what it stands for
    (a path, say, where the content counts) has a method `identity()` that returns what to hash instead.
    Bump its `REVISION` when the same knobs start to mean another number: old results then stop counting.
    """
    if "REVISION" not in cls.__dict__:
        cls.REVISION = 1  # type: ignore[attr-defined]
        cls.__annotations__["REVISION"] = ClassVar[int]
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
    return dataclass(frozen=True, kw_only=True, config=config)(cls)
