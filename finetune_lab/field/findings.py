"""What is asked of a field test, and what is found: plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass

from finetune_lab.field.covariates import Shapes
from finetune_lab.field.weeks import Plan
from finetune_lab.maths.standardised_ratio import Ratio


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A column of counts; `per`: a column that it is counted per, or None."""

    column: str
    per: str | None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How arms are compared. `worth`: the ratio that weeks are planned for; `near_certain`: see `Balance.outside`."""

    outcomes: Mapping[str, Outcome]
    shapes: Shapes
    confidence: float
    power: float
    worth: float
    interacted: bool
    near_certain: float
    random_p: float


@dataclass(frozen=True, kw_only=True)
class Balance:
    """How far the arms differ in what the log knows.

    `largest`: of each covariate the standardised difference that is largest. `outside`: the share of rows whose arm
    follows nearly certainly from them; None where it always does. `p_value` of "the assignment is random".
    """

    largest: Mapping[str, float]
    outside: float | None
    p_value: float
    looks_random: bool
    same_time: float  # the share of the candidate's rows within the reference's time


@dataclass(frozen=True, kw_only=True)
class Found:
    """One outcome: the ratio candidate / reference, adjusted and naive, and what it would take to be sure."""

    outcome: str
    adjusted: Ratio
    naive: Ratio
    reference_mean: float
    candidate_mean: float
    p_adjusted: float
    verdict: str
    interacted: bool
    num_rows: int
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two arms of one log: their rows and posts, balance, findings, and sentences that must stand beside them."""

    reference: str
    candidate: str
    num_rows: tuple[int, int]
    num_posts: tuple[int, int]
    balance: Balance
    found: tuple[Found, ...]
    caveats: tuple[str, ...]
