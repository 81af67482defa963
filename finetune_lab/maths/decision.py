"""Decisions from declared conditions: data in, a name out, with every condition that was looked at and its value.

A condition on a fact that is not known is neither met nor missed (Kleene's strong logic of three values).
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Facts = Mapping[str, float | None]
Operator = Literal["<", "<=", ">", ">=", "=="]
UNDECIDED = "undecided"
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A fact compared with a limit: a number, or the name of another fact."""

    metric: str
    operator: Operator
    limit: float | str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A name, and the alternatives of which one must hold; all conditions of an alternative hold together."""

    name: str
    when: tuple[tuple[Condition, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One condition as it was found. `met` None: a fact is not known."""

    outcome: str
    alternative: int
    text: str
    value: float | None
    limit: float | None
    met: bool | None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the rules say. `unless`: what it would be if the facts that are not known spoke against it."""

    outcome: str
    unless: str
    conditions: tuple[Looked, ...]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one decision is about, and the facts that it follows from."""

    label: str
    facts: Facts
    notes: tuple[str, ...] = ()


def decide(outcomes: Sequence[Outcome], otherwise: str, facts: Facts) -> Decision:
    """The first outcome that holds, else `otherwise`; undecided where an earlier one hangs on an unknown fact.

    Every condition is looked at, also those of outcomes behind the one that holds.
    """
    looked = [(outcome.name, _looked(outcome, facts)) for outcome in outcomes]
    held = [(name, _any([_all(of) for of in alternatives])) for name, alternatives in looked]
    certain = next((name for name, holds in held if holds), otherwise)
    before = [holds for name, holds in held[: _place(held, certain)]]
    every = tuple(one for _, alternatives in looked for of in alternatives for one in of)
    return Decision(outcome=UNDECIDED if None in before else certain, unless=certain, conditions=every)


def named_facts(outcomes: Sequence[Outcome]) -> set[str]:
    """The facts that the conditions ask for, limits among them."""
    every = [condition for outcome in outcomes for of in outcome.when for condition in of]
    return {one.metric for one in every} | {one.limit for one in every if isinstance(one.limit, str)}


def _place(held: Sequence[tuple[str, bool | None]], name: str) -> int:
    return next((place for place, (own, holds) in enumerate(held) if own == name and holds), len(held))


def _looked(outcome: Outcome, facts: Facts) -> list[list[Looked]]:
    return [
        [_one(outcome.name, number, condition, facts) for condition in alternative]
        for number, alternative in enumerate(outcome.when)
    ]


def _one(outcome: str, number: int, condition: Condition, facts: Facts) -> Looked:
    value = facts.get(condition.metric)
    limit = facts.get(condition.limit) if isinstance(condition.limit, str) else condition.limit
    met = None if value is None or limit is None else _OPERATORS[condition.operator](value, limit)
    text = f"{condition.metric} {condition.operator} {condition.limit}"
    return Looked(outcome=outcome, alternative=number, text=text, value=value, limit=limit, met=met)


def _all(conditions: Sequence[Looked]) -> bool | None:
    met = [condition.met for condition in conditions]
    return False if False in met else None if None in met else True


def _any(alternatives: Sequence[bool | None]) -> bool | None:
    return True if True in alternatives else None if None in alternatives else False
