"""How answers read beside their references, and how varied they are: ROUGE, chrF, distinct-n, self-BLEU, length."""

import logging
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, ClassVar, Literal

from pydantic import PositiveInt

from finetune_lab.errors import WorldError
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Subject
from finetune_lab.records import Answer, Decoding, Evaluation, Sample, Score, Statistic
from finetune_lab.text.diversity import distinct, self_bleu, words

log = logging.getLogger(__name__)
Column = Sequence[float | None]
_DROPPED = 0.1  # the share of a text's letters and digits that a tokenizer may lose before it is told


@plugin
class Text:
    """ROUGE and chrF need a reference; a row without one is unscored by them.

    `distinct` and `self_bleu` are lengths of n-grams. `longer_is_better` says which way an answer's length is to be
    read, since in itself it is neither good nor bad.
    """

    counts_tokens: ClassVar[bool] = False
    rows: RowChoice
    decoding: Decoding
    rouge: tuple[Literal["rouge1", "rouge2", "rougeL", "rougeLsum"], ...]
    stemmer: bool
    chrf: bool
    distinct: tuple[PositiveInt, ...]
    self_bleu: PositiveInt | None
    longer_is_better: bool

    def check(self) -> None:
        """Raise WorldError when a package is missing that what is asked for needs."""
        for package, wanted in (("rouge_score", bool(self.rouge)), ("sacrebleu", self.chrf)):
            if wanted and find_spec(package) is None:
                raise WorldError(
                    f"eval.text needs the package {package.replace('_', '-')}: pip install 'finetune-lab[text]', "
                    f"or do without ({'eval.text.rouge=[]' if package == 'rouge_score' else 'eval.text.chrf=false'})"
                )

    def evaluate(self, subject: Subject) -> Evaluation:
        """Score every answer against its reference, and all of them together."""
        self.check()
        answers = subject.answers(self.decoding)
        tokens = [words(answer.text) for answer in answers]
        pairs = list(zip(subject.rows, answers, strict=True))
        columns, counts = self._beside_references(pairs)
        scores = [_mean(name, column, higher_is_better=True, scale=100) for name, column in columns.items()]
        for num in self.distinct:
            value, left_out = distinct(tokens, num)
            columns[f"distinct_{num}"] = left_out
            scores.append(_jackknife(f"distinct_{num}", value))
        if self.self_bleu:
            columns["self_bleu"] = self_bleu(tokens, self.self_bleu)
            scores.append(_mean("self_bleu", columns["self_bleu"], higher_is_better=False, scale=100))
        columns["words"] = [float(len(found)) for found in tokens]
        columns["ended_by_itself"] = [float(answer.finish == "end") for answer in answers]
        scores.append(_mean("words", columns["words"], higher_is_better=self.longer_is_better, unit="words"))
        scores.append(_mean("ended_by_itself", columns["ended_by_itself"], higher_is_better=True, unit="share"))
        return Evaluation(
            samples=tuple(row.id for row in subject.rows),
            clusters=tuple(row.group for row in subject.rows),
            columns=columns,
            scores=tuple(scores),
            details=tuple(_detail(row, answer) for row, answer in pairs),
            counts={"rows": len(pairs), "empty": sum(not found for found in tokens), **counts},
        )

    def _beside_references(self, pairs: list[tuple[Sample, Answer]]) -> tuple[dict[str, Column], dict[str, Any]]:
        """Columns of ROUGE and chrF as shares, and what their tokenizers could not read."""
        texts = [(answer.text, row.reference) for row, answer in pairs]
        columns: dict[str, Column] = {}
        counts: dict[str, Any] = {"without_reference": sum(due is None for _, due in texts)}
        if self.rouge:
            rouge, dropped = self._rouge(texts)
            columns |= rouge
            counts["rouge_drops"] = dropped
        if self.chrf:
            columns["chrf"] = _chrf(texts)
        return columns, counts

    def _rouge(self, texts: list[tuple[str, str | None]]) -> tuple[dict[str, Column], int]:
        """F-measures; unscored where nothing is left of the reference. And how many rows lose text."""
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(list(self.rouge), use_stemmer=self.stemmer)
        lost = [_lost(due) if due else 0.0 for _, due in texts]
        found = [
            scorer.score(due, text) if due and share < 1 else None
            for (text, due), share in zip(texts, lost, strict=True)
        ]
        dropped = sum(share > _DROPPED for share in lost)
        if dropped:
            log.warning(
                "ROUGE reads only a to z and 0 to 9: of %d references it loses more than %d %% of the letters. "
                "Read chrF there (eval.text.chrf=true)", dropped, 100 * _DROPPED
            )  # fmt: skip
        return {name: [one[name].fmeasure if one else None for one in found] for name in self.rouge}, dropped


def _lost(text: str) -> float:
    """The share of letters and digits that ROUGE's tokenizer drops: all but a to z and 0 to 9."""
    signs = [sign for sign in text if sign.isalnum()]
    return sum(not sign.isascii() for sign in signs) / len(signs) if signs else 0.0


def _chrf(texts: list[tuple[str, str | None]]) -> Column:
    """Sentence chrF (Popović 2015, character n-grams to 6, β = 2) as a share of 1."""
    from sacrebleu.metrics import CHRF

    metric = CHRF()
    return [metric.sentence_score(text, [due]).score / 100 if due else None for text, due in texts]


def _detail(row: Sample, answer: Answer) -> Mapping[str, Any]:
    asked = row.prompt[-1]["content"] if row.prompt else row.text or ""
    return {"sample": row.id, "prompt": asked, "text": answer.text, "due": row.reference}


def _mean(name: str, column: Column, *, higher_is_better: bool, scale: float = 1.0, unit: str = "") -> Score:
    known = [value for value in column if value is not None]
    return Score(
        name=name,
        value=scale * sum(known) / len(known) if known else None,
        higher_is_better=higher_is_better,
        statistic=Statistic(kind="mean", of=name, scale=scale),
        unit=unit,
    )


def _jackknife(name: str, value: float | None) -> Score:
    statistic = Statistic(kind="jackknife", of=name)
    return Score(name=name, value=value, higher_is_better=True, statistic=statistic, unit="share")
