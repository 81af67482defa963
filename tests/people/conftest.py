"""Items and queues for the tests of what people are asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.people.items import Ballot, Item
from finetune_lab.people.pairs import OPTIONS
from finetune_lab.people.plan import Plan
from finetune_lab.people.queue import Queue


@pytest.fixture
def plan() -> Callable[..., Plan]:
    """A plan with values of a test's own."""

    def make(**own: Any) -> Plan:
        values = {"seed": 0, "overlap": 0.0, "raters_each": 2}
        return Plan(**values | own)

    return make


@pytest.fixture
def pair_items() -> Callable[[int], tuple[Item, ...]]:
    """So many items: `left<n>` against `right<n>`."""

    def make(num: int) -> tuple[Item, ...]:
        return tuple(Item.of([{"role": "user", "content": f"q{n}"}], [f"one{n}", f"two{n}"]) for n in range(num))

    return make


@pytest.fixture
def queue(tmp_path: Path, plan: Any, pair_items: Any) -> Callable[..., Queue]:
    """The queue of a rater over some pairs; all queues of a test share one file."""

    def make(rater: str = "ada", num: int = 4, num_gold: int = 0, **own: Any) -> Queue:
        items = pair_items(num + num_gold)
        ballot = Ballot(question="Which?", hint="", options=OPTIONS, items=items[:num], gold=items[num:])
        return Queue(ballot=ballot, plan=plan(**own), votes=tmp_path / "votes.jsonl", rater=rater, source="terminal")

    return make
