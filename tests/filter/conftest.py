"""A row as filters see it."""

from collections.abc import Callable
from typing import Any

import pytest

from finetune_lab.records import Candidate, Sample


@pytest.fixture(scope="session")
def candidate() -> Callable[..., Candidate]:
    """Make a candidate: `candidate(prompt="q", answer="a", facts={…}, fields={…}, group="author")`."""

    def make(
        *,
        prompt: str = "q",
        answer: str | None = "a",
        text: str | None = None,
        facts: dict[str, Any] | None = None,
        fields: dict[str, Any] | None = None,
        group: str = "",
    ) -> Candidate:
        turns = [{"role": "user", "content": prompt}]
        turns += [{"role": "assistant", "content": answer}] if answer is not None else []
        sample = Sample.of(messages=[] if text is not None else turns, text=text, facts=facts, group=group)
        return Candidate(sample=sample, fields=fields or {}, place="rows.jsonl, line 1")

    return make
