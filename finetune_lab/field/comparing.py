"""Arm against arm, outcome by outcome: the ratio with covariates held equal, and the plain one beside it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from finetune_lab.field.covariates import Covariates, covariates
from finetune_lab.field.findings import Asked, Balance, Comparison, Found, Outcome
from finetune_lab.field.log_file import FieldLog, Floats, Integers
from finetune_lab.field.weeks import plan_weeks
from finetune_lab.maths.balance import overlap, random_assignment, standardised_differences
from finetune_lab.maths.multiplicity import holm
from finetune_lab.maths.standardised_ratio import Ratio, standardised_ratio

Booleans = NDArray[np.bool_]
OBSERVATIONAL = "observational: confounders that are not in the log remain"
_POSTS_PER_COLUMN = 10  # in the smaller arm, for covariates that may work differently in each arm
_HARDLY = 0.1  # the share of rows without a counterpart from which it is said


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The rows of two arms in which one outcome is known."""

    counts: Floats
    exposure: Floats
    candidate: Booleans
    columns: Floats
    posts: Integers

    def mean(self, side: Booleans) -> float:
        """The mean of one arm, for each unit of exposure."""
        total = float(self.exposure[side].sum())
        return float(self.counts[side].sum()) / total if total else nan

    def fewest_posts(self) -> int:
        """The posts of the smaller arm."""
        return min(len(np.unique(self.posts[side])) for side in (self.candidate, ~self.candidate))

    def ratio(self, *, adjusted: bool, interacted: bool, confidence: float) -> Ratio:
        columns = self.columns if adjusted else self.columns[:, :0]
        return standardised_ratio(
            self.counts,
            self.candidate,
            columns - columns.mean(axis=0) if columns.size else columns,  # of these rows: what arms are compared at
            self.posts,
            offset=np.log(self.exposure),
            interacted=interacted,
            confidence=confidence,
        )


def compare_arms(log: FieldLog, reference: str, candidate: str, asked: Asked) -> Comparison:
    """Compare two arms in every outcome. What cannot be compared is unknown with its reason, never left out."""
    names = log.arms.index(reference), log.arms.index(candidate)
    known = covariates(log, *names, asked.shapes)
    arm, posts = log.arm[known.rows] == names[1], log.post[known.rows]
    balance = _balance(log, known, arm, asked)
    found = [_found(log, known, arm, outcome, name, asked, balance) for name, outcome in asked.outcomes.items()]
    adjusted = holm(np.array([one.adjusted.p_value for one in found]))
    return Comparison(
        reference=reference,
        candidate=candidate,
        num_rows=(int((~arm).sum()), int(arm.sum())),
        num_posts=(len(np.unique(posts[~arm])), len(np.unique(posts[arm]))),
        balance=balance,
        found=tuple(_judged(one, float(p), asked) for one, p in zip(found, adjusted, strict=True)),
        caveats=tuple(_caveats(log, known, balance)),
    )


def _balance(log: FieldLog, known: Covariates, arm: Booleans, asked: Asked) -> Balance:
    if arm.all() or not arm.any():
        return Balance(largest={}, outside=None, p_value=nan, looks_random=False, same_time=0.0)
    posts, seconds = _numbered(log.post[known.rows]), log.seconds[known.rows]
    apart = np.abs(standardised_differences(known.columns, arm))
    p_value = random_assignment(known.columns, arm, posts)
    first, last = seconds[~arm].min(), seconds[~arm].max()
    return Balance(
        largest={name: float(apart[known.of(name)].max()) for name in dict.fromkeys(known.sources)},
        outside=overlap(known.columns, arm, posts, least=asked.near_certain).outside,
        p_value=p_value,
        looks_random=not isnan(p_value) and p_value >= asked.random_p,
        same_time=float(((seconds[arm] >= first) & (seconds[arm] <= last)).mean()),
    )


def _found(
    log: FieldLog, known: Covariates, arm: Booleans, outcome: Outcome, name: str, asked: Asked, balance: Balance
) -> Found:
    rows = _rows(log, known, arm, outcome)
    adjusted, interacted = _adjusted(rows, asked, balance)
    num_posts = len(np.unique(rows.posts))
    return Found(
        outcome=name,
        adjusted=adjusted,
        naive=rows.ratio(adjusted=False, interacted=False, confidence=asked.confidence),
        reference_mean=rows.mean(~rows.candidate),
        candidate_mean=rows.mean(rows.candidate),
        p_adjusted=nan,
        verdict="",
        interacted=interacted,
        num_rows=len(rows.counts),
        plan=plan_weeks(
            adjusted.log_error,
            adjusted.noise_degrees,
            num_posts,
            log.num_weeks,
            worth=asked.worth,
            confidence=1 - (1 - asked.confidence) / len(asked.outcomes),  # the strictest step of Holm's
            power=asked.power,
        ),
    )


def _rows(log: FieldLog, known: Covariates, arm: Booleans, outcome: Outcome) -> _Rows:
    """Without rows where the outcome is unknown, or where there was nothing that it is counted per."""
    counts = log.outcomes[outcome.column][known.rows]
    exposure = log.outcomes[outcome.per][known.rows] if outcome.per else np.ones(len(counts))
    kept = ~np.isnan(counts) & (exposure > 0)
    return _Rows(
        counts=counts[kept],
        exposure=exposure[kept],
        candidate=arm[kept],
        columns=known.columns[kept],
        posts=_numbered(log.post[known.rows][kept]),
    )


def _numbered(posts: Integers) -> Integers:
    """The same posts, numbered from 0 without gaps."""
    return np.unique(posts, return_inverse=True)[1]


def _adjusted(rows: _Rows, asked: Asked, balance: Balance) -> tuple[Ratio, bool]:
    """With covariates that may work differently in each arm where there is enough to see that, else alike in both."""
    if balance.outside is None:
        return Ratio.unknown("the arms do not overlap: the covariates alone tell which arm a row has"), False
    crossed = asked.interacted and rows.fewest_posts() >= _POSTS_PER_COLUMN * rows.columns.shape[1]
    if crossed and not (found := rows.ratio(adjusted=True, interacted=True, confidence=asked.confidence)).why:
        return found, True
    return rows.ratio(adjusted=True, interacted=False, confidence=asked.confidence), False


def _judged(found: Found, p_adjusted: float, asked: Asked) -> Found:
    """More or fewer where the interval and the adjusted test agree on it."""
    ratio = found.adjusted
    clear = p_adjusted < 1 - asked.confidence and (ratio.low > 1 or ratio.high < 1)
    verdict = "unknown" if ratio.why else "unclear" if not clear else "more" if ratio.value > 1 else "fewer"
    return replace(found, p_adjusted=p_adjusted, verdict=verdict)


def _caveats(log: FieldLog, known: Covariates, balance: Balance) -> Iterator[str]:
    if not balance.looks_random:
        yield OBSERVATIONAL
    if balance.outside is None:
        yield "the arms do not overlap, so there is no ratio with covariates held equal"
    elif balance.outside > _HARDLY:
        yield (
            f"the arms hardly overlap: for {balance.outside:.0%} of the rows the covariates nearly tell the arm, and "
            "there the ratio rests on the model alone"
        )
    if balance.same_time < 1 - _HARDLY:
        yield f"{1 - balance.same_time:.0%} of the candidate's rows are of a time when the reference did not run"
    for name in known.one_sided:
        yield f"only one of the arms replied on {name!r}: these rows are left out"
    for name in known.constant:
        yield f"{name} is the same in all rows and explains nothing"
    for name, number in log.left_out.items():
        yield f"{number} of {log.num_rows} rows lack {name} and are left out"
    if log.num_weeks < 2:
        yield "under two weeks of log: days of the week are not balanced, and weeks needed are a guess"
