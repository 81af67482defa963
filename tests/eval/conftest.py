"""A subject with answers that are written by hand, for evaluators that read answers and no model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.protocols import Subject
from finetune_lab.records import Answer, Artifact, Sample


def nobody(*_: Any) -> Any:
    raise AssertionError("this evaluator asks no judge")


@pytest.fixture
def answered(tmp_path: Path) -> Callable[..., Subject]:
    """Make the subject that wrote `texts` to `rows`; the answers whose numbers are in `cut` met the limit."""

    def make(
        rows: Sequence[Sample], texts: Sequence[str], cut: Sequence[int] = (), ask: Callable[..., Any] = nobody
    ) -> Subject:
        def answers(decoding):
            return tuple(
                Answer(
                    sample=row.id,
                    text=text,
                    num_prompt_tokens=1,
                    num_tokens=len(text.split()),
                    finish="length" if number in cut else "end",
                )
                for number, (row, text) in enumerate(zip(rows, texts, strict=True))
            )

        def model():
            raise AssertionError("this evaluator reads answers; it needs no model")

        artifact = Artifact(key="a", label="base")
        return Subject(
            artifact=artifact,
            rows=tuple(rows),
            folder=tmp_path,
            model=model,
            answers=answers,
            evaluation=lambda name: tmp_path / name,
            ask=ask,
        )

    return make


@pytest.fixture
def row() -> Callable[..., Sample]:
    """Make a row: what was asked, the reference or None, and its facts."""

    def make(asked: str, reference: str | None = None, **facts) -> Sample:
        messages = [{"role": "user", "content": asked}]
        if reference is not None:
            messages.append({"role": "assistant", "content": reference})
        return Sample.of(messages=messages, facts=facts)

    return make
