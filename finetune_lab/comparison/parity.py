"""What an export may differ by, and what it does differ by, with intervals over the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat

from finetune_lab.maths.compare import Arm, Difference, Question, SampleColumns, compare_many
from finetune_lab.plugin import plugin
from finetune_lab.records import Sample, Statistic

Share = Annotated[float, Field(ge=0, le=1)]
_PERPLEXITY = Statistic(kind="ratio", of="nats", per="tokens", transform="exp")
_PER_TOKEN = Statistic(kind="ratio", of="kl", per="tokens")


@plugin
class Limits:
    """What is let through. `agreement`: the least share of tokens on which both models' first choices agree; `texts`:
    of greedy texts that are the same, null for any. `kl` in nats per token and `perplexity` as a share of the
    reference's are the most that the far ends of their intervals may reach.
    """

    agreement: Share
    texts: Share | None
    kl: NonNegativeFloat
    perplexity: NonNegativeFloat


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How near an export comes to what was scored. Intervals are over rows, or groups of rows that belong together."""

    num_rows: int
    num_tokens: int
    agreement: float
    num_texts: int
    same_texts: float | None
    kl: float
    kl_high: float
    reference_perplexity: float
    perplexity_difference: float
    perplexity_low: float
    perplexity_high: float
    confidence: float

    @property
    def perplexity_change(self) -> float:
        """The far end of the interval, as a share of the reference's perplexity."""
        return max(abs(self.perplexity_low), abs(self.perplexity_high)) / self.reference_perplexity

    def lines(self) -> list[str]:
        """For people."""
        texts = "" if self.same_texts is None else f"; {self.same_texts:.1%} of {self.num_texts} greedy texts the same"
        percent = f"{100 * self.confidence:g} %"
        return [
            f"first choices agree on {self.agreement:.2%} of {self.num_tokens} tokens in {self.num_rows} rows{texts}",
            f"KL {self.kl:.2g} nats per token (at most {self.kl_high:.2g}, {percent}); perplexity "
            f"{self.reference_perplexity:.4g} {self.perplexity_difference:+.2g} "
            f"[{self.perplexity_low:+.2g}, {self.perplexity_high:+.2g}]",
        ]

    def beyond(self, limits: Limits) -> list[str]:
        """What is past the limits, as sentences; none where the export is as good as what was scored."""
        found = []
        if self.agreement < limits.agreement:
            found.append(
                f"first choices agree on {self.agreement:.2%} of the tokens, the limit is {limits.agreement:.2%}"
            )
        if limits.texts is not None and self.same_texts is not None and self.same_texts < limits.texts:
            found.append(f"{self.same_texts:.1%} of the greedy texts are the same, the limit is {limits.texts:.1%}")
        if not self.kl_high <= limits.kl:  # what is not a number is beyond any limit
            found.append(f"KL may be {self.kl_high:.3g} nats per token, the limit is {limits.kl:g}")
        if not self.perplexity_change <= limits.perplexity:
            found.append(f"perplexity may differ by {self.perplexity_change:.2%}, the limit is {limits.perplexity:.2%}")
        return found


def parity(agreements: Sequence[Any], texts: Sequence[bool], rows: Sequence[Sample], *, confidence: float) -> Parity:
    """Sum up what was found row by row (inference/parity.py)."""
    groups = {row.id: row.group for row in rows}
    samples = [one.sample for one in agreements]
    clusters = [groups[sample] for sample in samples]
    tokens = [float(one.num_tokens) for one in agreements]

    def arm(label: str, **column: list[float]) -> Arm:
        columns = SampleColumns.of(samples, clusters, {**column, "tokens": tokens})
        return Arm(label=label, seeds=(columns,), trained=False, values=(None,))

    perplexity, kl = compare_many(
        [
            Question(
                name="perplexity",
                statistic=_PERPLEXITY,
                higher_is_better=False,
                reference=arm("scored", nats=[one.reference_nats for one in agreements]),
                candidate=arm("export", nats=[one.candidate_nats for one in agreements]),
            ),
            Question(
                name="kl",
                statistic=_PER_TOKEN,
                higher_is_better=False,
                reference=arm("none", kl=[0.0] * len(samples)),
                candidate=arm("export", kl=[one.kl for one in agreements]),
            ),
        ],
        confidence=confidence,
    )
    num_tokens = sum(one.num_tokens for one in agreements)
    return Parity(
        num_rows=len(samples),
        num_tokens=num_tokens,
        agreement=sum(one.num_agreed for one in agreements) / num_tokens,
        num_texts=len(texts),
        same_texts=sum(texts) / len(texts) if texts else None,
        kl=sum(one.kl for one in agreements) / num_tokens,
        kl_high=_end(kl, kl.high),
        reference_perplexity=_value(perplexity.reference),
        perplexity_difference=_value(perplexity.difference),
        perplexity_low=_end(perplexity, perplexity.low),
        perplexity_high=_end(perplexity, perplexity.high),
        confidence=confidence,
    )


def _end(found: Difference, end: float | None) -> float:
    """One end of an interval; where rows do not differ at all there is none, and the difference is known exactly."""
    return _value(found.difference) if end is None else end


def _value(value: float | None) -> float:
    return float("nan") if value is None else value
