"""Rules on a difference: a candidate and its reference on one primary metric."""

from collections.abc import Callable, Mapping, Sequence
from math import asin, sqrt
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from finetune_lab.maths.decision import Case, Decision, Facts, Outcome, decide, named_facts
from finetune_lab.plugin import plugin

FACTS = (
    "p_value",  # two-sided: says nothing on the direction
    "p_adjusted",  # for the family that is printed with the comparison
    "reference",  # the scores themselves
    "candidate",
    "gain",  # the difference, positive where the candidate is better; gain_low and gain_high are its interval
    "gain_low",
    "gain_high",
    "improvement",  # gain over the absolute reference: 0.2 is 20 %
    "d",  # positive where the candidate is better; of pass rates Cohen's h
    "num_pairs",
    "num_seeds",
    "num_worse",  # metrics of the same pair whose verdict is "worse"
)


def _known(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    unknown = sorted(named_facts(outcomes) - set(FACTS))
    if unknown:
        raise ValueError(f"no fact is called {', '.join(unknown)}; known: {', '.join(FACTS)}")
    return outcomes


@plugin
class Pairwise:
    """The first of `outcomes` that holds for a pair on a primary metric, else `otherwise`.

    `primary` are the metrics (evaluator/metric) declared with the rules. `failing` are the outcomes that task.gate
    refuses. `every_pair`: also of two trained arms; otherwise of arms with their base only.
    """

    primary: Annotated[tuple[str, ...], Field(min_length=1)]
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1), AfterValidator(_known)]
    otherwise: str
    failing: tuple[str, ...]
    every_pair: bool

    def cases(self, differences: Sequence[Any], scores: Mapping[str, Mapping[str, float | None]]) -> list[Case]:
        """One case for each pair and primary metric."""
        return [
            _case(row, differences)
            for row in differences
            if f"{row.evaluator}/{row.name}" in self.primary and (self.every_pair or row.num_reference_seeds == 0)
        ]

    def decide(self, facts: Facts) -> Decision:
        return decide(self.outcomes, self.otherwise, facts)


def _case(row: Any, differences: Sequence[Any]) -> Case:
    sign = 1.0 if row.higher_is_better else -1.0
    pair = (row.reference_label, row.candidate_label)
    beside = [one for one in differences if (one.reference_label, one.candidate_label) == pair]
    gain = _signed(row.difference, sign)
    low, high = _signed(row.low, sign), _signed(row.high, sign)
    ends = (low, high) if sign > 0 else (high, low)
    effect, name = _effect(row, sign)
    facts: dict[str, float | None] = {
        "p_value": row.p_value,
        "p_adjusted": row.p_adjusted,
        "reference": row.reference,
        "candidate": row.candidate,
        "gain": gain,
        "gain_low": ends[0],
        "gain_high": ends[1],
        "improvement": gain / abs(row.reference) if gain is not None and row.reference else None,
        "d": effect,
        "num_pairs": row.num_pairs,
        "num_seeds": row.num_seeds,
        "num_worse": sum(one.verdict == "worse" for one in beside),
    }
    notes = [f"d is {name}"] if effect is not None else []
    if not row.reference:
        notes.append("no improvement in percent: the reference is zero or unknown")
    return Case(label=f"{pair[0]} → {pair[1]}, {row.evaluator}/{row.name}", facts=facts, notes=tuple(notes))


def _signed(value: float | None, sign: float) -> float | None:
    return None if value is None else sign * value


def _effect(row: Any, sign: float) -> tuple[float | None, str]:
    """The standardised difference towards better, and its name."""
    if row.effects and row.effects[0].name == "risk difference":
        return _cohen_h(row.candidate, row.reference, sign), "Cohen's h, since these are pass rates"
    named: Callable[[Any], bool] = lambda effect: effect.name.startswith(("d_", "Cohen's d"))  # noqa: E731
    found = next(filter(named, row.effects), None)
    known = found is not None and found.value == found.value  # not nan
    return (sign * found.value, found.name) if found is not None and known else (None, "")


def _cohen_h(rate: float | None, reference: float | None, sign: float) -> float | None:
    """2 asin √p − 2 asin √q. Source: Cohen (1988), Statistical Power Analysis, §6.2."""
    if rate is None or reference is None or not (0 <= rate <= 1 and 0 <= reference <= 1):
        return None
    return sign * 2 * (asin(sqrt(rate)) - asin(sqrt(reference)))
