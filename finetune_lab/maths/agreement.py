"""How well a classifier agrees with labels that are taken for the truth.

a true positives, b false positives, c false negatives, d true negatives, n their sum; p₀ = (a + d)/n observed and
pₑ = [(a+b)(a+c) + (c+d)(b+d)]/n² chance agreement.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, nan, sqrt

from finetune_lab.maths.intervals import UNKNOWN, Interval, newcombe_paired, normal_quantile, wilson


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A figure with its interval; NaN where there is nothing to measure it on."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """The four counts of a classifier against the truth."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @classmethod
    def of(cls, pairs: Iterable[tuple[bool, bool]]) -> "Confusion":
        """Count pairs of (predicted, true)."""
        counts = {(p, t): 0 for p in (True, False) for t in (True, False)}
        for predicted, true in pairs:
            counts[predicted, true] += 1
        return cls(
            true_positives=counts[True, True],
            false_positives=counts[True, False],
            false_negatives=counts[False, True],
            true_negatives=counts[False, False],
        )

    @property
    def num(self) -> int:
        return self.num_positives + self.num_negatives

    @property
    def num_positives(self) -> int:
        """How many are truly positive."""
        return self.true_positives + self.false_negatives

    @property
    def num_negatives(self) -> int:
        """How many are truly negative."""
        return self.false_positives + self.true_negatives

    @property
    def num_predicted(self) -> int:
        """How many the classifier calls positive."""
        return self.true_positives + self.false_positives


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What the four counts say. `bias` is the predicted minus the true rate of positives."""

    num: int
    accuracy: Measured
    kappa: Measured
    sensitivity: Measured
    specificity: Measured
    bias: Measured


def agreement(table: Confusion, *, confidence: float = 0.95) -> Agreement:
    """Accuracy, sensitivity and specificity with Wilson's interval, the bias with Newcombe's paired one, and κ."""
    both, only_predicted = table.true_positives, table.false_positives
    only_true, neither = table.false_negatives, table.true_negatives
    bias = newcombe_paired(both, only_predicted, only_true, neither, confidence=confidence)
    return Agreement(
        num=table.num,
        accuracy=share(both + neither, table.num, confidence=confidence),
        kappa=cohens_kappa(table, confidence=confidence),
        sensitivity=share(both, table.num_positives, confidence=confidence),
        specificity=share(neither, table.num_negatives, confidence=confidence),
        bias=Measured(value=(only_predicted - only_true) / table.num if table.num else nan, interval=bias),
    )


def share(successes: int, num: int, *, confidence: float = 0.95) -> Measured:
    """A proportion with Wilson's interval."""
    return Measured(value=successes / num if num else nan, interval=wilson(successes, num, confidence=confidence))


def cohens_kappa(table: Confusion, *, confidence: float = 0.95) -> Measured:
    """κ of a classifier and the truth; unknown where all are of one class in both."""
    counts = [[table.true_positives, table.false_positives], [table.false_negatives, table.true_negatives]]
    return kappa(counts, confidence=confidence)


def kappa(counts: Sequence[Sequence[int]], *, confidence: float = 0.95) -> Measured:
    """κ = (p₀ − pₑ)/(1 − pₑ) ± z √Var, cut to [−1, 1], of how often one said i and the other j.

    Unknown where both only ever said one and the same, or nothing.

    Var = {Σᵢ pᵢᵢ[(1−pₑ) − (pᵢ. + p.ᵢ)(1−p₀)]² + (1−p₀)² Σᵢ≠ⱼ pᵢⱼ(p.ᵢ + pⱼ.)² − (p₀pₑ − 2pₑ + p₀)²} / [n(1−pₑ)⁴].
    Source: Cohen (1960), Educ. Psychol. Meas. 20:37; Fleiss, Cohen & Everitt (1969), Psychol. Bull. 72:323.
    """
    num, kinds = sum(map(sum, counts)), range(len(counts))
    if num == 0:
        return Measured(value=nan, interval=UNKNOWN)
    cells = [[count / num for count in row] for row in counts]
    rows = [sum(row) for row in cells]
    columns = [sum(row[j] for row in cells) for j in kinds]
    observed = sum(cells[i][i] for i in kinds)
    chance = sum(rows[i] * columns[i] for i in kinds)
    if max(rows[i] * columns[i] for i in kinds) >= 1:
        return Measured(value=nan, interval=UNKNOWN)
    found = (observed - chance) / (1 - chance)
    same = sum(cells[i][i] * ((1 - chance) - (rows[i] + columns[i]) * (1 - observed)) ** 2 for i in kinds)
    other = sum(cells[i][j] * (columns[i] + rows[j]) ** 2 for i in kinds for j in kinds if i != j)
    rest = (observed * chance - 2 * chance + observed) ** 2
    spread = max(same + (1 - observed) ** 2 * other - rest, 0.0)
    half = normal_quantile(confidence) * sqrt(spread / num) / (1 - chance) ** 2
    assert isfinite(half)
    return Measured(value=found, interval=Interval(low=max(found - half, -1.0), high=min(found + half, 1.0)))
