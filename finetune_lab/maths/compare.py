"""Compare arms: from a score's statistic and per-sample columns to a difference that says how sure it is.

The method follows from the score, never from the result:
  pass rates (a mean of 0 and 1)     Newcombe's paired interval, exact McNemar
  other means and ratios of sums     BCa bootstrap of clusters, at least Student's interval; sign-flip permutation
  fewer than 30 clusters             Student interval with Satterthwaite degrees of freedom, sign-flip permutation
  several seeds in an arm            items × seeds: Student interval and test with the quantile of both (noise.py)
  jackknife values                   Student interval and test from the jackknife variance of the difference
  no shared sample, means only       Welch interval, Mann–Whitney U, and a caveat
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite, isnan, nan
from typing import Literal

import numpy as np

from finetune_lab.maths import caveats
from finetune_lab.maths.effect import Effect
from finetune_lab.maths.estimate import estimate
from finetune_lab.maths.inference import Finding, is_pass_fail, resampled, student
from finetune_lab.maths.multiplicity import benjamini_hochberg, holm
from finetune_lab.maths.pairing import Arm, Pairs, SampleColumns, pair, scored_values
from finetune_lab.maths.power import detectable
from finetune_lab.maths.rates import pass_fail
from finetune_lab.maths.resampling import RESAMPLES
from finetune_lab.maths.sharing import Shared, share
from finetune_lab.maths.unpaired import NOTHING, unpaired
from finetune_lab.records import Statistic

__all__ = ["Arm", "Difference", "Question", "SampleColumns", "compare_many", "paired"]

Verdict = Literal["better", "worse", "same", "unclear"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One comparison to make. `primary` metrics are those declared before the run."""

    name: str
    statistic: Statistic
    higher_is_better: bool
    reference: Arm
    candidate: Arm
    unit: str = ""
    evaluator: str = ""
    primary: bool = False


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Candidate minus reference, and how sure that is. None: there was too little to say.

    verdict: "better" or "worse" where the interval excludes zero and the test agrees (p < 1 − confidence); "same"
    where the interval includes zero and the test agrees, to be read as "no difference shown" beside `detectable`,
    the smallest difference that would have been found at 80 % power; "unclear" where the two disagree or cannot be
    computed. The verdict is of this comparison alone; `p_adjusted` is of the family.
    `interval` and `test` name the methods; `other_p_values` holds tests kept beside it. `num_seeds` is 0 for an arm
    that no seed made.
    """

    name: str
    unit: str
    evaluator: str
    higher_is_better: bool
    reference_label: str
    candidate_label: str
    reference: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    confidence: float
    interval: str
    p_value: float | None
    test: str
    p_adjusted: float | None
    adjustment: str
    effects: tuple[Effect, ...]
    detectable: float | None
    other_p_values: dict[str, float | None]
    num_pairs: int
    num_dropped: int
    num_clusters: int
    num_seeds: int
    num_reference_seeds: int
    primary: bool
    caveats: tuple[str, ...]
    verdict: Verdict

    @property
    def effect(self) -> Effect | None:
        """The headline effect size: risk difference for pass rates, d_z for other pairs."""
        return self.effects[0] if self.effects else None


def paired(
    statistic: Statistic,
    reference: Arm,
    candidate: Arm,
    *,
    higher_is_better: bool,
    name: str = "score",
    unit: str = "",
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Compare two arms on one score."""
    question = Question(
        name=name,
        unit=unit,
        statistic=statistic,
        higher_is_better=higher_is_better,
        reference=reference,
        candidate=candidate,
    )
    return compare_many([question], confidence=confidence, resamples=resamples, seed=seed)[0]


def compare_many(
    questions: Sequence[Question], *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> list[Difference]:
    """Compare a family of arms and metrics, in order.

    P-values are adjusted by Holm over the primary metrics and by Benjamini–Hochberg over the rest. Comparisons on
    the same samples share one resampling matrix, drawn from `seed`, so that the numbers of one do not depend on which
    others are asked for.
    """
    pairs = [pair(question.statistic, question.reference, question.candidate) for question in questions]
    cases = [(question.statistic, found) for question, found in zip(questions, pairs, strict=True)]
    shared = share(cases, confidence=confidence, resamples=resamples, seed=seed)
    drawn = zip(questions, pairs, shared, strict=True)
    return _adjusted([_compared(question, found, extra, confidence) for question, found, extra in drawn], confidence)


def _compared(question: Question, pairs: Pairs, shared: Shared, confidence: float) -> Difference:
    if pairs.num_pairs == 0:
        return _without_pairs(question, pairs, confidence)
    statistic, found = question.statistic, estimate(question.statistic, pairs)
    rate = is_pass_fail(statistic, pairs)
    if rate:
        finding = pass_fail(statistic, pairs, found, shared.swap, confidence)
    elif shared.interval is not None and shared.swap is not None:
        finding = resampled(statistic, pairs, found, shared.interval, shared.swap, confidence)
    else:
        finding = student(statistic, pairs, found, shared.swap, confidence)
    warnings = caveats.about_data(statistic, pairs, found, rate=rate)
    return _record(question, pairs, (found.reference, found.candidate), finding, warnings, confidence)


def _without_pairs(question: Question, pairs: Pairs, confidence: float) -> Difference:
    """No sample is scored in both arms: unpaired methods for a mean of one seed, else nothing but the sentence."""
    sentence, statistic, arms = (
        "no sample is scored in both arms",
        question.statistic,
        (question.reference, question.candidate),
    )
    plain = statistic.kind == "mean" and statistic.transform == "identity" and all(len(arm.seeds) == 1 for arm in arms)
    columns = [scored_values(arm.seeds[0], statistic.of) * statistic.scale for arm in arms] if plain else []
    if not plain or min(len(column) for column in columns) < 2:
        return _record(question, pairs, (nan, nan), NOTHING, [sentence], confidence)
    reference, candidate = columns
    values = (float(reference.mean()), float(candidate.mean()))
    finding = unpaired(candidate, reference, confidence)
    return _record(question, pairs, values, finding, [f"{sentence}: unpaired, which sees less"], confidence)


def _record(
    question: Question,
    pairs: Pairs,
    values: tuple[float, float],
    finding: Finding,
    warnings: list[str],
    confidence: float,
) -> Difference:
    low, high, p_value = finding.interval.low, finding.interval.high, finding.test.p_value
    verdict = _verdict(low, high, p_value, question.higher_is_better, confidence)
    missed = detectable(finding.error, finding.degrees, confidence=confidence)
    return Difference(
        name=question.name,
        unit=question.unit,
        evaluator=question.evaluator,
        higher_is_better=question.higher_is_better,
        reference_label=question.reference.label,
        candidate_label=question.candidate.label,
        reference=known(values[0]),
        candidate=known(values[1]),
        difference=known(values[1] - values[0]),
        low=known(low),
        high=known(high),
        confidence=confidence,
        interval=finding.method,
        p_value=known(p_value),
        test=finding.test.name,
        p_adjusted=None,
        adjustment="",
        effects=finding.effects,
        detectable=known(missed),
        other_p_values={test.name: known(test.p_value) for test in finding.other_tests},
        num_pairs=pairs.num_pairs,
        num_dropped=pairs.num_dropped,
        num_clusters=pairs.num_clusters,
        num_seeds=len(question.candidate.seeds) if question.candidate.trained else 0,
        num_reference_seeds=len(question.reference.seeds) if question.reference.trained else 0,
        primary=question.primary,
        caveats=(*warnings, *caveats.about_verdict(verdict, p_value, low, high, missed, question.unit)),
        verdict=verdict,
    )


def known(value: float) -> float | None:
    """The value, or None for NaN and infinities, which JSON cannot hold."""
    return value if isfinite(value) else None


def _verdict(low: float, high: float, p_value: float, higher_is_better: bool, confidence: float) -> Verdict:
    if isnan(low) or isnan(high) or isnan(p_value):
        return "unclear"
    excludes = low > 0 or high < 0
    if excludes != (p_value < 1 - confidence):
        return "unclear"
    if not excludes:
        return "same"
    return "better" if (low > 0) == higher_is_better else "worse"


def _adjusted(found: list[Difference], confidence: float) -> list[Difference]:
    """The same differences with p-values that hold for the family."""
    ready = list(found)
    for primary, adjust, name in ((True, holm, "Holm"), (False, benjamini_hochberg, "Benjamini–Hochberg")):
        places = [place for place, difference in enumerate(found) if difference.primary == primary]
        raw = np.array([nan if (p := found[place].p_value) is None else p for place in places], dtype=np.float64)
        size = int(np.sum(~np.isnan(raw)))
        for place, value in zip(places, adjust(raw), strict=True):
            one, adjustment = found[place], f"{name} over {size}"
            more = caveats.about_family(one.verdict, float(value), adjustment, confidence)
            ready[place] = replace(
                one, p_adjusted=known(float(value)), adjustment=adjustment, caveats=(*one.caveats, *more)
            )
    return ready
