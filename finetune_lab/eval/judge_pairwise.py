"""Which of two arms answers better, by judge models that see both answers in both orders."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, SkipValidation

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.inference.clients.limits import Limits
from finetune_lab.inference.clients.spending import Estimate
from finetune_lab.inference.judging import panel, prompts
from finetune_lab.inference.judging.pair_report import Panelled, report
from finetune_lab.inference.judging.pairs import Pair, judged, questions
from finetune_lab.maths.win_correction import Moments, WinCalibration
from finetune_lab.maths.winrate import length_adjusted
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Subject
from finetune_lab.records import Decoding, Evaluation, Sample, Score, Statistic

log = logging.getLogger(__name__)
Share = Annotated[float, Field(ge=0, le=1)]
_BYTES_PER_TOKEN = 4  # of answers that are not written yet


@plugin
class JudgePairwise:
    """`judges` are clients by names of one's own; each is asked in each of `wordings`, and their verdicts are averaged.

    `criteria` say what counts. Beyond `unscored_limit`, a share, of pairs without a verdict no score is given.
    `candidate` is the model that the arms are made of: a judge of its family is refused without `allow_own_family`.
    `calibration`: what task=calibrate_pairs wrote about these judges; the win rate then stands raw and corrected.
    """

    counts_tokens: ClassVar[bool] = False
    rows: RowChoice
    decoding: Decoding
    reference: str
    reads: tuple[str, ...]
    judges: SkipValidation[Mapping[str, Any]]
    wordings: tuple[str, ...]
    criteria: SkipValidation[Any]
    candidate: SkipValidation[Any]
    allow_own_family: bool
    unscored_limit: Share
    calibration: Path | None
    confidence: Annotated[float, Field(gt=0, lt=1)]

    def identity(self) -> dict[str, Any]:
        """Who is asked what about which answers; the arm that is the reference enters the measure by itself."""
        table = vars(self._calibration()) if self.calibration else None
        return {
            "decoding": self.decoding,
            **self.panel_identity(),
            "unscored_limit": self.unscored_limit,
            "confidence": self.confidence,
            "calibration": {name: vars(one) for name, one in table.items()} if table else None,
        }

    def panel_identity(self) -> dict[str, Any]:
        """What a calibration is about: judges, texts and criteria."""
        texts = [prompts.digest("pairwise", wording) for wording in self.wordings]
        return {"judges": self.judges, "texts": texts, "criteria": self.criteria}

    def check(self) -> None:
        """Raise WorldError or ConfigError for judges that cannot be asked, or should not be."""
        panel.check_panel("eval.judge_pairwise", self.judges, self.wordings)
        self._notes()
        if self.calibration:
            self._calibration()

    def estimate(self, rows: Sequence[Sample], limits: Limits) -> list[Estimate]:
        """What judging these rows would take, every answer being as long as it may be."""
        longest = "x" * (self.decoding.max_new_tokens * _BYTES_PER_TOKEN)
        pairs = [
            Pair(conversation=prompts.conversation_text(row), reference=longest, candidate=f"{longest}.")
            for row in rows
        ]
        return panel.estimates(self._questions(pairs), self.judges, limits)

    def contrast(self, reference: Subject, candidate: Subject) -> Evaluation:
        """Judge the answers of both to the same rows."""
        notes = self._notes()
        rows = candidate.rows
        answers = zip(reference.answers(self.decoding), candidate.answers(self.decoding), strict=True)
        pairs = [
            Pair(conversation=prompts.conversation_text(row), reference=one.text, candidate=other.text)
            for row, (one, other) in zip(rows, answers, strict=True)
        ]
        found, bills = self.judge(pairs, [row.group for row in rows], candidate.ask)
        counts = report(found, self._calibration() if self.calibration else None, self.confidence)
        counts |= {"judges": bills, "notes": notes}
        wins = found.wins()
        if counts["unscored"] > self.unscored_limit * len(rows):
            notes.append(f"no score: {counts['unscored']} of {len(rows)} pairs have no verdict; unscored_limit")
            wins = [None] * len(rows)
        self._tell(counts)
        columns = {"win": wins, "win_length_adjusted": _left_out(wins, found)}
        return Evaluation(
            samples=tuple(row.id for row in rows),
            clusters=tuple(row.group for row in rows),
            columns=columns,
            scores=_scores(wins, found),
            details=tuple(_detail(row, found, place) for place, row in enumerate(rows)),
            counts=counts,
        )

    def judge(self, pairs: Sequence[Pair], groups: Sequence[str], ask: panel.Ask) -> tuple[Panelled, dict[str, Any]]:
        """Ask all judges about all pairs; what each voice said, and what each judge took."""
        outcomes, bills = panel.ask_all(self._questions(pairs), self.judges, ask)
        everything = [one for voice in outcomes.values() for one in voice]
        panel.check_failures("eval.judge_pairwise", everything, self.unscored_limit)
        _, clusters = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)
        by_voice = {voice: judged(pairs, told) for voice, told in outcomes.items()}
        return Panelled(pairs=pairs, clusters=clusters.astype(np.int64), by_voice=by_voice), bills

    def _questions(self, pairs: Sequence[Pair]) -> dict[panel.Voice, Any]:
        subject, points = self.criteria.subject, self.criteria.points()
        asked = {wording: questions(pairs, wording, subject, points) for wording in self.wordings}
        return {voice: asked[voice.wording] for voice, _ in panel.voices(self.judges, self.wordings)}

    def _notes(self) -> list[str]:
        return panel.check_families("eval.judge_pairwise", self.judges, self.candidate, allowed=self.allow_own_family)

    def _calibration(self) -> WinCalibration:
        assert self.calibration is not None
        if not self.calibration.is_file():
            raise WorldError(
                f"eval.judge_pairwise.calibration: there is no file {self.calibration}; task=calibrate_pairs writes one"
            )
        told = json.loads(self.calibration.read_text(encoding="utf-8"))
        if told.get("panel") != panel.panel_key(self.panel_identity()):
            raise ConfigError(
                f"eval.judge_pairwise.calibration: {self.calibration} is of other judges, wordings or criteria"
            )
        return WinCalibration(**{name: Moments(**told["table"][name]) for name in ("won", "lost", "tied")})

    @staticmethod
    def _tell(counts: Mapping[str, Any]) -> None:
        for name in ("win_rate", "win_rate_length_adjusted", "win_rate_corrected"):
            if name in counts:
                log.info("%-9s %s %s", "judged", name.replace("_", " "), panel.interval_text(counts[name]))
        for label, told in counts["voices"].items():
            first = panel.interval_text(told["first_share"])
            log.info("judged    %s: the first answer preferred %s, %d unscored", label, first, told["unscored"])
        for move, told in counts.get("wording_effect", {}).items():
            log.info("judged    %s moves the win rate by %s", move, panel.interval_text(told))
        for note in counts["notes"]:
            log.warning("judged    %s", note)


def _scores(wins: Sequence[float | None], found: Panelled) -> tuple[Score, ...]:
    known = [win for win in wins if win is not None]
    adjusted = _adjusted(wins, found)
    raw, even = (
        Statistic(kind="mean", of="win", null=0.5),
        Statistic(kind="jackknife", of="win_length_adjusted", null=0.5),
    )
    return (
        Score(
            name="win_rate",
            value=sum(known) / len(known) if known else None,
            higher_is_better=True,
            statistic=raw,
            unit="share",
        ),
        Score(
            name="win_rate_length_adjusted",
            value=adjusted if np.isfinite(adjusted) else None,
            higher_is_better=True,
            statistic=even,
            unit="share",
        ),
    )


def _adjusted(wins: Sequence[float | None], found: Panelled, without: int | None = None) -> float:
    values = np.array([np.nan if win is None else win + 1 for win in wins], dtype=np.float64)
    if without is not None:
        values[without] = np.nan
    return length_adjusted(values, *found.lengths()).value


def _left_out(wins: Sequence[float | None], found: Panelled) -> list[float | None]:
    """The length-adjusted win rate without one pair at a time; None where that one has no verdict."""
    values = [None if win is None else _adjusted(wins, found, place) for place, win in enumerate(wins)]
    return [None if value is None or not np.isfinite(value) else value for value in values]


def _detail(row: Sample, found: Panelled, place: int) -> dict[str, Any]:
    pair = found.pairs[place]
    told = {voice.label: judged_by[place] for voice, judged_by in found.by_voice.items()}
    return {
        "sample": row.id,
        "prompt": pair.conversation,
        "reference": pair.reference,
        "candidate": pair.candidate,
        "voices": {
            label: {"win": one.win, "margins": one.margins, "reason": one.reason, "said": one.texts}
            for label, one in told.items()
        },
    }
