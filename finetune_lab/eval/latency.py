"""How fast a model answers on this machine: the first token, tokens per second, peak memory."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pydantic import NonNegativeInt, PositiveInt

from finetune_lab.checks.hardware import hardware
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import LanguageModel, Subject
from finetune_lab.records import Answer, Decoding, Evaluation, Sample, Score, Statistic
from finetune_lab.training.memory import PeakMemory


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One prompt answered alone: seconds to its first token and to its end (medians of the repeats), tokens read and
    written.
    """

    first_seconds: float
    whole_seconds: float
    num_prompt_tokens: int
    num_tokens: int

    @property
    def decoding_seconds(self) -> float | None:
        """The time behind the first token; None where there is no second one, or no time between."""
        spent = self.whole_seconds - self.first_seconds
        return spent if self.num_tokens > 1 and spent > 0 else None


@plugin
class Latency:
    """Every prompt is answered alone, `repeats` times to its first token and `repeats` times to its end; medians count.

    The first `warm_up` answers count nowhere. The measure belongs to this machine: another one is another measure,
    since a time from there compares with nothing here.
    """

    REVISION: ClassVar[int] = 2
    counts_tokens: ClassVar[bool] = True
    rows: RowChoice
    decoding: Decoding
    repeats: PositiveInt
    warm_up: NonNegativeInt

    def identity(self) -> dict[str, Any]:
        """The knobs and this machine."""
        return {"decoding": self.decoding, "repeats": self.repeats, "warm_up": self.warm_up, "machine": hardware()}

    def evaluate(self, subject: Subject) -> Evaluation:
        """Time every prompt; what ends at once has no rate and is unscored there."""
        model = subject.model()
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        for number in range(self.warm_up):
            self._answer(model, subject.rows[number % len(subject.rows)], self.decoding)
        memory = PeakMemory(str(getattr(model, "device", "cpu")))
        timings = [self._timed(model, row) for row in subject.rows]
        spent = [timing.decoding_seconds for timing in timings]
        columns: dict[str, Sequence[float | None]] = {
            "first_token_seconds": [timing.first_seconds for timing in timings],
            "answer_seconds": [timing.whole_seconds for timing in timings],
            "prompt_tokens": [float(timing.num_prompt_tokens) for timing in timings],
            "decoding_seconds": spent,
            "decoded_tokens": [
                None if seconds is None else float(timing.num_tokens - 1)
                for timing, seconds in zip(timings, spent, strict=True)
            ],
        }
        return Evaluation(
            samples=tuple(row.id for row in subject.rows),
            clusters=tuple(row.group for row in subject.rows),
            columns=columns,
            scores=_scores(columns),
            details=tuple(
                {"sample": row.id, **vars(timing)} for row, timing in zip(subject.rows, timings, strict=True)
            ),
            counts=_counts(columns) | {"peak_bytes": memory.read(), "load_before": load, "of_machine": hardware()},
        )

    def _timed(self, model: LanguageModel, row: Sample) -> Timing:
        one = replace(self.decoding, max_new_tokens=1)
        first = [self._answer(model, row, one)[0] for _ in range(self.repeats)]
        whole = [self._answer(model, row, self.decoding) for _ in range(self.repeats)]
        answer = whole[0][1]
        written = answer.num_tokens + (answer.finish == "end")  # the end token is written like any other
        return Timing(
            first_seconds=statistics.median(first),
            whole_seconds=statistics.median(seconds for seconds, _ in whole),
            num_prompt_tokens=answer.num_prompt_tokens,
            num_tokens=written,
        )

    @staticmethod
    def _answer(model: LanguageModel, row: Sample, decoding: Decoding) -> tuple[float, Answer]:
        started = time.perf_counter()
        (answer,) = model.generate({row.id: row.prompt}, decoding)  # its text is on the CPU: nothing is still running
        return time.perf_counter() - started, answer


def _scores(columns: dict[str, Sequence[float | None]]) -> tuple[Score, ...]:
    tokens, seconds = (_known(columns, name) for name in ("decoded_tokens", "decoding_seconds"))
    return (
        _mean(columns, "first_token", "first_token_seconds", 1000, "ms"),
        Score(
            name="tokens_per_second",
            value=sum(tokens) / sum(seconds) if sum(seconds) else None,
            higher_is_better=True,
            statistic=Statistic(kind="ratio", of="decoded_tokens", per="decoding_seconds"),
            unit="tokens/s",
        ),
        _mean(columns, "answer", "answer_seconds", 1000, "ms"),
        _mean(columns, "prompt_tokens", "prompt_tokens", 1, "tokens"),
    )


def _mean(columns: dict[str, Sequence[float | None]], name: str, of: str, scale: float, unit: str) -> Score:
    """What an answer takes on average; less is better."""
    known = _known(columns, of)
    statistic = Statistic(kind="mean", of=of, scale=scale)
    value = scale * sum(known) / len(known)
    return Score(name=name, value=value, higher_is_better=False, statistic=statistic, unit=unit)


def _known(columns: dict[str, Sequence[float | None]], name: str) -> list[float]:
    return [value for value in columns[name] if value is not None]


def _counts(columns: dict[str, Sequence[float | None]]) -> dict[str, Any]:
    """Median and range over the prompts, which a mean does not show."""
    rates = [
        tokens / seconds
        for tokens, seconds in zip(columns["decoded_tokens"], columns["decoding_seconds"], strict=True)
        if tokens is not None and seconds is not None
    ]
    first = [1000 * value for value in columns["first_token_seconds"] if value is not None]
    return {
        "prompts": len(first),
        "unscored": len(first) - len(rates),
        "first_token_ms": _range(first),
        "tokens_per_second": _range(rates),
    }


def _range(values: Sequence[float]) -> dict[str, float] | None:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)} if values else None
