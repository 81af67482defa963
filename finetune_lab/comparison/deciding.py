"""What declared rules say about a comparison, every condition shown with its value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune_lab.comparison.standing import Standing
from finetune_lab.maths.decision import UNDECIDED, Decision, Looked


@dataclass(frozen=True, kw_only=True)
class Decided:
    """One decision for people: what it is about, the outcome, the facts, and every condition as a line."""

    label: str
    outcome: str
    unless: str
    facts: Mapping[str, float | None]
    conditions: tuple[str, ...]
    notes: tuple[str, ...]
    beforehand: bool
    declaration: str
    refused: bool  # by a gate: a failing outcome, or none


def decide_all(
    rules: Any, differences: Sequence[Any], standings: Sequence[Standing], declaration: Any
) -> list[Decided]:
    """Every case of the rules with its decision and with the standing of its declaration."""
    scores = {one.label: one.values() for one in standings}
    found = []
    for case in rules.cases(differences, scores):
        decision: Decision = rules.decide(case.facts)
        found.append(
            Decided(
                label=case.label,
                outcome=decision.outcome,
                unless=decision.unless,
                facts=dict(case.facts),
                conditions=tuple(_line(looked) for looked in decision.conditions),
                notes=case.notes,
                beforehand=declaration.beforehand,
                declaration=declaration.sentence(),
                refused=decision.outcome in (*rules.failing, UNDECIDED),
            )
        )
    return found


def refused(rules: Any, decisions: Sequence[Decided]) -> list[str]:
    """The cases that a gate does not let through: a failing outcome, or none."""
    return [f"{one.label}: {one.outcome}" for one in decisions if one.outcome in (*rules.failing, UNDECIDED)]


def _line(looked: Looked) -> str:
    value = "not known" if looked.value is None else f"{looked.value:.4g}"
    if looked.met is None and looked.value is not None:
        value += ", the limit is not known"
    met = {True: "met", False: "not met", None: "open"}[looked.met]
    return f"{looked.outcome}, way {looked.alternative + 1}: {looked.text}: {value}, {met}"
