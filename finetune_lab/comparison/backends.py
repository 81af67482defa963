"""What was measured on a backend, as an evaluation like any other, and as a table for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from finetune_lab.records import Answer, Evaluation, Sample, Score, Statistic
from finetune_lab.text.terminal import printable
from finetune_lab.text.units import bytes_text


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Seconds by sample, and the answers that were timed. `peak_bytes` None: it computes in another process."""

    load_seconds: float
    first_seconds: Mapping[str, float]
    whole_seconds: Mapping[str, float]
    answers: Mapping[str, Answer]
    together_seconds: float
    at_once: int
    peak_bytes: int | None


def evaluation_of(rows: Sequence[Sample], timed: Timed, reference: Mapping[str, str]) -> Evaluation:
    """Columns by sample, and the scores that follow from them. An answer of one token has no rate."""
    written = [timed.answers[row.id] for row in rows]
    tokens = [float(one.num_tokens + (one.finish == "end")) for one in written]
    spent = [max(0.0, timed.whole_seconds[row.id] - timed.first_seconds[row.id]) for row in rows]
    rated = [number > 1 and seconds > 0 for number, seconds in zip(tokens, spent, strict=True)]
    columns: dict[str, Sequence[float | None]] = {
        "first_token_seconds": [timed.first_seconds[row.id] for row in rows],
        "answer_seconds": [timed.whole_seconds[row.id] for row in rows],
        "decoding_seconds": [one if known else None for one, known in zip(spent, rated, strict=True)],
        "decoded_tokens": [one - 1 if known else None for one, known in zip(tokens, rated, strict=True)],
        "requests": [1.0] * len(rows),
        "seconds_together": [timed.together_seconds / len(rows)] * len(rows),
        "same_text": [float(one.text == reference[one.sample]) for one in written],
    }
    return Evaluation(
        samples=tuple(row.id for row in rows),
        clusters=tuple(row.group for row in rows),
        columns=columns,
        scores=_scores(columns),
        details=tuple({"sample": one.sample, "text": one.text, "reference": reference[one.sample]} for one in written),
        counts={
            "prompts": len(rows),
            "load_seconds": timed.load_seconds,
            "peak_bytes": timed.peak_bytes,
            "at_once": timed.at_once,
        },
    )


def _scores(columns: Mapping[str, Sequence[float | None]]) -> tuple[Score, ...]:
    def ratio(name: str, of: str, per: str, unit: str) -> Score:
        over, under = (sum(value for value in columns[column] if value is not None) for column in (of, per))
        statistic = Statistic(kind="ratio", of=of, per=per)
        value = over / under if under else None
        return Score(name=name, value=value, higher_is_better=True, statistic=statistic, unit=unit)

    first = [1000 * value for value in columns["first_token_seconds"] if value is not None]
    return (
        Score(
            name="first_token",
            value=sum(first) / len(first),
            higher_is_better=False,
            statistic=Statistic(kind="mean", of="first_token_seconds", scale=1000),
            unit="ms",
        ),
        ratio("tokens_per_second", "decoded_tokens", "decoding_seconds", "tokens/s"),
        ratio("requests_per_second", "requests", "seconds_together", "requests/s"),
        ratio("same_text", "same_text", "requests", "share"),
    )


def table_of(found: Mapping[str, Evaluation]) -> Table:
    """One line a backend."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("backend")
    for name in ("load s", "first ms", "tokens/s", "requests/s", "memory", "same text"):
        table.add_column(name, justify="right")
    for name, one in found.items():
        scores = {score.name: score.value for score in one.scores}
        peak = one.counts.get("peak_bytes")
        table.add_row(
            printable(name),
            f"{one.counts['load_seconds']:.2f}",
            *(_shown(scores[score]) for score in ("first_token", "tokens_per_second", "requests_per_second")),
            "–" if peak is None else bytes_text(peak),
            f"{scores['same_text']:.0%}" if scores["same_text"] is not None else "–",
        )
    return table


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
