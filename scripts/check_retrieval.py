"""How much of what a retrieval arm answers is copied: its answers beside the examples that stood before them.

Takes the overrides of a line with method=rag that has run already; no model is asked. For every row that `schema`
scores: is the answer one of its examples' answers, word for word; how like the nearest of them is it; and what would be
scored if the nearest example's answer were given instead of asking a model at all.

    python scripts/check_retrieval.py method=rag outputs=outputs …     # the line that ran
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from finetune_lab.__main__ import lab_of  # noqa: E402
from finetune_lab.inference.trained import Bare, check_trained, opened  # noqa: E402
from finetune_lab.protocols import Subject  # noqa: E402
from finetune_lab.records import Answer, Artifact, Decoding, Sample  # noqa: E402

REACHED = ("schema_valid", "request_met")


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One answer beside the answers of its examples, nearest first."""

    answer: str
    examples: tuple[str, ...]

    @property
    def copied(self) -> bool:
        """Whether it is one of them."""
        return self.answer.strip() in [example.strip() for example in self.examples]

    @property
    def likeness(self) -> float:
        """The share of characters in common with the most alike of them (Ratcliff and Obershelp); 0 without any."""
        return max(
            (SequenceMatcher(None, self.answer, example, autojunk=False).ratio() for example in self.examples),
            default=0,
        )


def report(overrides: Sequence[str]) -> dict[str, Any]:
    """What the script prints."""
    lab, _ = lab_of(["tracker=none", *overrides])
    check_trained(lab.artifact)
    evaluator: Any = lab.evaluators["schema"]
    rows = lab.rows(evaluator)
    answers = lab.answers(lab.artifact, rows, evaluator.decoding)
    engine: Any = lab.language_model  # asked nothing; it tells how long a prompt may be
    with opened(lab.artifact, Bare(chat=engine.chat, module=engine.module)) as found:
        chosen = [found.chat.chosen(row.prompt) for row in rows]
    looked = [
        Looked(answer=answer.text, examples=tuple(example.answer for example in examples))
        for answer, examples in zip(answers, chosen, strict=True)
    ]
    nearest = [
        replace(answer, text=one.examples[0] if one.examples else "", finish="end")
        for answer, one in zip(answers, looked, strict=True)
    ]
    own, instead = (_columns(evaluator, rows, given) for given in (answers, nearest))
    new = [not one.copied for one in looked]
    return {
        "rows": len(rows),
        "examples": sum(len(one.examples) for one in looked) / len(rows),
        "copied": sum(one.copied for one in looked) / len(rows),
        "likeness": sum(one.likeness for one in looked) / len(rows),
        "answers": {name: _share(own[name]) for name in REACHED},
        "answers_not_copied": {
            name: _share([value for value, kept in zip(own[name], new, strict=True) if kept]) for name in REACHED
        },
        "nearest_answer_instead": {name: _share(instead[name]) for name in REACHED},
    }


def _columns(evaluator: Any, rows: Sequence[Sample], answers: Sequence[Answer]) -> Any:
    def given(_: Decoding) -> tuple[Answer, ...]:
        return tuple(answers)

    with TemporaryDirectory() as folder:
        subject = Subject(
            artifact=Artifact(key="checked", label="checked"),
            rows=tuple(rows),
            folder=Path(folder),
            model=lambda: None,  # type: ignore[arg-type,return-value]
            answers=given,
            evaluation=lambda _: Path(folder),
        )
        return evaluator.evaluate(subject).columns


def _share(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


if __name__ == "__main__":
    print(json.dumps(report(sys.argv[1:]), indent=2))
