"""What the evaluators will ask of the model: passes over rows, and answers to write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune_lab.records import Decoding, Sample


@dataclass(frozen=True, kw_only=True)
class Work:
    """Rows that are scored by one forward pass, and rows that are answered with at most so many new tokens.

    `repeats`: how often all of it is done.
    """

    name: str
    rows: tuple[Sample, ...]
    decoding: Decoding | None
    repeats: int = 1


def work_of(evaluators: Mapping[str, Any], rows: Mapping[str, Sequence[Sample]]) -> list[Work]:
    """The work of one artifact's evaluation.

    An evaluator may tell its own by `work(name, rows)`. The others: one with a `decoding` reads answers, made once for
    all that read the same; one that looks at two artifacts reads what others made; the rest score every row.
    """
    found: list[Work] = []
    answered: set[tuple[Any, ...]] = set()
    for name, evaluator in evaluators.items():
        mine = tuple(rows[name])
        own = getattr(evaluator, "work", None)
        decoding = getattr(evaluator, "decoding", None)
        if own:
            found.append(own(name, mine))
        elif decoding is not None:
            known = (decoding, *(row.id for row in mine))
            if known not in answered:
                answered.add(known)
                found.append(Work(name=name, rows=mine, decoding=decoding))
        elif not hasattr(evaluator, "contrast"):
            found.append(Work(name=name, rows=mine, decoding=None))
    return found
