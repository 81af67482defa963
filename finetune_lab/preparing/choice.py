"""Which rows an evaluator scores."""

from typing import Any

from pydantic import PositiveInt

from finetune_lab.plugin import plugin


@plugin
class RowChoice:
    """The first `max_rows` of a split (null: all), of the experiment's data or of `data`, a source of its own.

    It has no identity: what a score is about is the rows themselves, and their digest enters the measure's key.
    """

    split: str
    max_rows: PositiveInt | None
    data: Any

    def identity(self) -> dict[str, Any]:
        return {}
