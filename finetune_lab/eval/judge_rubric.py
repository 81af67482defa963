"""How good answers are, quality by quality, by judge models that follow fixed steps and end on a score (G-Eval)."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, PositiveInt, SkipValidation

from finetune_lab.errors import ConfigError
from finetune_lab.inference.clients.exchange import Outcome, Reply, Request
from finetune_lab.inference.clients.limits import Limits
from finetune_lab.inference.clients.spending import Estimate
from finetune_lab.inference.judging import panel, prompts
from finetune_lab.inference.judging.pair_report import between
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Subject
from finetune_lab.records import Answer, Decoding, Evaluation, Sample, Score, Statistic
from finetune_lab.text.verdicts import expected_score, score_of

log = logging.getLogger(__name__)
OVERALL = "overall"
Share = Annotated[float, Field(ge=0, le=1)]
Column = list[float | None]
_BYTES_PER_TOKEN = 4  # of answers that are not written yet


@dataclass(frozen=True, kw_only=True)
class _Rated:
    """One voice on one answer and quality: the score, or why there is none, and what it said."""

    score: float | None
    reason: str | None
    weighed: bool  # by probabilities, not as it is written
    texts: tuple[str, ...]


@plugin
class JudgeRubric:
    """Every quality of `criteria` is one question, on a scale from `low` to `high`.

    A score is its expectation over the probabilities of the score's token where the judge tells these, else what is
    written; with `samples` above 1 it is the mean of so many draws. `judges`, `wordings`, `unscored_limit`,
    `candidate` and `allow_own_family` are those of judge_pairwise.
    """

    counts_tokens: ClassVar[bool] = False
    rows: RowChoice
    decoding: Decoding
    judges: SkipValidation[Mapping[str, Any]]
    wordings: tuple[str, ...]
    criteria: SkipValidation[Any]
    low: Annotated[int, Field(ge=0)]
    high: PositiveInt
    samples: PositiveInt
    candidate: SkipValidation[Any]
    allow_own_family: bool
    unscored_limit: Share
    confidence: Annotated[float, Field(gt=0, lt=1)]

    def identity(self) -> dict[str, Any]:
        """Who is asked what, how often, and on which scale."""
        texts = [prompts.digest("rubric", wording) for wording in self.wordings]
        left_out = ("rows", "wordings", "candidate", "allow_own_family")
        return {name: value for name, value in vars(self).items() if name not in left_out} | {"texts": texts}

    def check(self) -> None:
        """Raise WorldError or ConfigError for judges that cannot be asked, or should not be, and for no scale."""
        if self.low >= self.high:
            raise ConfigError(f"eval.judge_rubric: the scale must rise, got low={self.low} and high={self.high}")
        panel.check_panel("eval.judge_rubric", self.judges, self.wordings)
        cold = [name for name, client in self.judges.items() if client.temperature == 0]
        if self.samples > 1 and cold:
            raise ConfigError(
                f"eval.judge_rubric.samples: {self.samples} draws of {', '.join(cold)} at temperature 0 are one and "
                "the same; set its temperature above 0, or samples=1"
            )
        self._notes()

    def estimate(self, rows: Sequence[Sample], limits: Limits) -> list[Estimate]:
        """What rating these rows would take, every answer being as long as it may be."""
        longest = "x" * (self.decoding.max_new_tokens * _BYTES_PER_TOKEN)
        return panel.estimates(self._asked(rows, [longest] * len(rows)), self.judges, limits)

    def evaluate(self, subject: Subject) -> Evaluation:
        """Rate every answer in every quality."""
        notes, rows = self._notes(), subject.rows
        answers = subject.answers(self.decoding)
        asked = self._asked(rows, [answer.text for answer in answers])
        outcomes, bills = panel.ask_all(asked, self.judges, subject.ask)
        everything = [one for told in outcomes.values() for one in told]
        panel.check_failures("eval.judge_rubric", everything, self.unscored_limit)
        rated = {voice: self._rated(told, len(rows)) for voice, told in outcomes.items()}
        columns = self._columns(rated, len(rows))
        counts = self._counts(rated, columns, [row.group for row in rows]) | {"judges": bills, "notes": notes}
        for name, values in columns.items():
            missing = sum(value is None for value in values)
            if missing > self.unscored_limit * len(rows):
                notes.append(f"no score for {name}: {missing} of {len(rows)} answers have none; unscored_limit")
                columns[name] = [None] * len(rows)
        for note in notes:
            log.warning("judged    %s", note)
        return Evaluation(
            samples=tuple(row.id for row in rows),
            clusters=tuple(row.group for row in rows),
            columns=columns,
            scores=tuple(self._score(name, values) for name, values in columns.items()),
            details=tuple(self._detail(row, answers[place], rated, place) for place, row in enumerate(rows)),
            counts=counts,
        )

    @property
    def scale(self) -> tuple[str, ...]:
        """The scores as they are written."""
        return tuple(str(score) for score in range(self.low, self.high + 1))

    def _asked(self, rows: Sequence[Sample], texts: Sequence[str]) -> dict[panel.Voice, list[Request]]:
        by_wording = {
            wording: [
                Request(messages=messages, scale=self.scale, sample=sample)
                for row, text in zip(rows, texts, strict=True)
                for messages in self._messages(wording, row, text)
                for sample in range(self.samples)
            ]
            for wording in self.wordings
        }
        return {voice: by_wording[voice.wording] for voice, _ in panel.voices(self.judges, self.wordings)}

    def _messages(self, wording: str, row: Sample, answer: str) -> list[Any]:
        common = {"subject": self.criteria.subject, "low": str(self.low), "high": str(self.high)}
        common |= {"conversation": prompts.conversation_text(row), "answer": answer}
        return [
            prompts.filled(
                "rubric",
                wording,
                common
                | {
                    "criterion": name,
                    "meaning": criterion.meaning,
                    "steps": "\n".join(f"{number}. {step}" for number, step in enumerate(criterion.steps, start=1)),
                },
            )
            for name, criterion in self.criteria.named()
        ]

    def _rated(self, outcomes: Sequence[Outcome], num_rows: int) -> dict[str, list[_Rated]]:
        """Quality -> a rating for each row, out of the outcomes in the order of the questions."""
        names = list(self.criteria.criteria)
        parts = iter(outcomes)
        found: dict[str, list[_Rated]] = {name: [] for name in names}
        for _ in range(num_rows):
            for name in names:
                found[name].append(self._one([next(parts) for _ in range(self.samples)]))
        return found

    def _one(self, draws: Sequence[Outcome]) -> _Rated:
        """The mean over the draws that have a score."""
        values, weighed = [], True
        for one in draws:
            written = score_of(one.text, self.low, self.high) if isinstance(one, Reply) else None
            if written is None or not isinstance(one, Reply):
                continue
            expected = expected_score(one.tokens, self.scale)
            weighed = weighed and expected is not None
            values.append(written if expected is None else expected)
        reasons = [panel.reason_of(one) for one in draws]
        return _Rated(
            score=sum(values) / len(values) if values else None,
            reason=None if values else reasons[0].replace("verdict", "score"),
            weighed=bool(values) and weighed,
            texts=tuple(one.text if isinstance(one, Reply) else one.reason for one in draws),
        )

    def _columns(self, rated: Mapping[panel.Voice, Mapping[str, list[_Rated]]], num_rows: int) -> dict[str, Column]:
        """A column for each quality, the mean of the voices; and their mean where an answer has all of them."""
        columns: dict[str, Column] = {}
        for name in self.criteria.criteria:
            told = [[one[name][place].score for one in rated.values()] for place in range(num_rows)]
            columns[name] = [_mean([value for value in row if value is not None]) for row in told]
        whole = zip(*columns.values(), strict=True)
        overall: Column = [
            None if None in row else _mean([value for value in row if value is not None]) for row in whole
        ]
        return {OVERALL: overall} | columns

    def _counts(
        self, rated: Mapping[panel.Voice, Mapping[str, list[_Rated]]], columns: Mapping[str, Column], groups: list[str]
    ) -> dict[str, Any]:
        _, clusters = np.unique(np.array(groups, dtype=str), return_inverse=True)
        every = [one for told in rated.values() for column in told.values() for one in column]
        joined = {voice: [one.score for column in told.values() for one in column] for voice, told in rated.items()}
        repeated = np.tile(clusters.astype(np.int64), len(self.criteria.criteria))
        return {
            "rows": len(groups),
            "scale": [self.low, self.high],
            "unscored": {name: sum(value is None for value in values) for name, values in columns.items()},
            "reasons": dict(Counter(one.reason for one in every if one.reason)),
            "weighed_by_probability": sum(one.weighed for one in every),
            "as_written": sum(one.score is not None and not one.weighed for one in every),
            **between(joined, repeated, self.confidence),
        }

    def _notes(self) -> list[str]:
        return panel.check_families("eval.judge_rubric", self.judges, self.candidate, allowed=self.allow_own_family)

    @staticmethod
    def _score(name: str, values: Column) -> Score:
        known = [value for value in values if value is not None]
        statistic = Statistic(kind="mean", of=name)
        return Score(name=name, value=_mean(known), higher_is_better=True, statistic=statistic, unit="points")

    @staticmethod
    def _detail(
        row: Sample, answer: Answer, rated: Mapping[panel.Voice, Mapping[str, list[_Rated]]], place: int
    ) -> dict[str, Any]:
        told = {
            voice.label: {name: vars(column[place]) for name, column in by_name.items()}
            for voice, by_name in rated.items()
        }
        return {"sample": row.id, "prompt": prompts.conversation_text(row), "text": answer.text, "voices": told}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
