"""Any metric of the package `evaluate`: from a folder of one's own, or from the hub if it is trusted by name."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.fingerprint import digest_of_files
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Subject
from finetune_lab.records import Decoding, Evaluation, Score, Statistic

Value = str | int | float
Column = list[float | None]
_WAYS = ("higher_is_better", "lower_is_better")
_CASTS: dict[str, Callable[[str], Value]] = {"text": str, "int": int, "float": float}


@plugin
class Metric:
    """`module` is a folder with the metric's code, which is run; a name of the hub must stand in `trusted` as well.

    `higher_is_better` and `lower_is_better` name the results that are taken of it. `level` row computes it for every
    row and takes the mean; corpus computes it once, and once more without each row for its interval.
    `cast` is what answers and references become first; an answer that cannot is unscored. `references` list gives
    each reference in a list of its own, as metrics with several references want it.
    """

    counts_tokens: ClassVar[bool] = False
    rows: RowChoice
    decoding: Decoding
    module: str
    config_name: str | None
    trusted: tuple[str, ...]
    higher_is_better: tuple[str, ...]
    lower_is_better: tuple[str, ...]
    level: Literal["row", "corpus"]
    cast: Literal["text", "int", "float"]
    references: Literal["plain", "list"]
    arguments: Mapping[str, Any]

    def identity(self) -> dict[str, Any]:
        """The content of a folder of one's own, not its place."""
        knobs = ("decoding", "config_name", "level", "cast", "references", "arguments", *_WAYS)
        files = digest_of_files(sorted(self._folder().rglob("*.py")), self._folder()) if self._is_own() else None
        return {name: getattr(self, name) for name in knobs} | {"module": files or self.module}

    def check(self) -> None:
        """Raise ConfigError for code from the hub that nobody has trusted, WorldError where there is no code."""
        if not self._names():
            raise ConfigError("eval.metric: name a result in higher_is_better or in lower_is_better")
        if self._is_own():
            if not list(self._folder().glob("*.py")):
                raise WorldError(f"eval.metric.module: the folder {self.module} holds no metric (a .py file)")
        elif self.module not in self.trusted:
            raise ConfigError(
                f"eval.metric.module: there is no folder {self.module!r}. As a name of the hub it would run code from "
                f"there: read it at huggingface.co/spaces/evaluate-metric, then say eval.metric.trusted=[{self.module}]"
            )

    def evaluate(self, subject: Subject) -> Evaluation:
        """Compute the metric over answers and references; a row without a reference is unscored."""
        self.check()
        compute = self._compute()  # before an hour of answering
        answers = subject.answers(self.decoding)
        texts = [(answer.text, row.reference) for row, answer in zip(subject.rows, answers, strict=True)]
        pairs = [self._pair(text, due) for text, due in texts]
        columns, values = self._by_row(pairs, compute) if self.level == "row" else self._whole(pairs, compute)
        kind: Literal["mean", "jackknife"] = "mean" if self.level == "row" else "jackknife"
        return Evaluation(
            samples=tuple(row.id for row in subject.rows),
            clusters=tuple(row.group for row in subject.rows),
            columns=columns,
            scores=tuple(
                Score(
                    name=name,
                    value=values[name],
                    higher_is_better=name in self.higher_is_better,
                    statistic=Statistic(kind=kind, of=name),
                )
                for name in self._names()
            ),
            details=tuple(
                {"sample": row.id, "text": text, "due": due}
                for row, (text, due) in zip(subject.rows, texts, strict=True)
            ),
            counts={"rows": len(pairs), "unscored": pairs.count(None), "metric": self.module, "level": self.level},
        )

    def _names(self) -> tuple[str, ...]:
        return self.higher_is_better + self.lower_is_better

    def _is_own(self) -> bool:
        return self._folder().is_dir()

    def _folder(self) -> Path:
        return Path(self.module)

    def _pair(self, text: str, due: str | None) -> tuple[Value, Value] | None:
        """Answer and reference as the metric takes them; None where one of the two is not what it should be."""
        if due is None:
            return None
        try:
            return _CASTS[self.cast](text.strip()), _CASTS[self.cast](due.strip())
        except ValueError:
            return None

    def _compute(self) -> Callable[[Sequence[tuple[Value, Value]]], dict[str, float]]:
        """The metric over pairs of answer and reference: its results that are asked for, by name."""
        import evaluate

        place = str(self._folder().resolve()) if self._is_own() else self.module
        try:
            metric = evaluate.load(place, self.config_name)
        except ImportError as error:
            raise WorldError(f"eval.metric.module: {self.module} needs a package that is not here: {error}") from None

        def compute(pairs: Sequence[tuple[Value, Value]]) -> dict[str, float]:
            due = [[reference] if self.references == "list" else reference for _, reference in pairs]
            told = metric.compute(predictions=[answer for answer, _ in pairs], references=due, **self.arguments)
            return {name: self._number(told, name) for name in self._names()}

        return compute

    def _number(self, told: Mapping[str, Any], name: str) -> float:
        found = told.get(name)
        if isinstance(found, bool) or not hasattr(found, "__float__"):
            known = ", ".join(key for key, value in told.items() if hasattr(value, "__float__"))
            raise ConfigError(f"eval.metric: {self.module} gives no number {name!r}; it gives: {known}")
        return float(found)  # type: ignore[arg-type]

    def _by_row(self, pairs: list[Any], compute: Any) -> tuple[dict[str, Column], dict[str, float | None]]:
        found = [compute([pair]) if pair is not None else None for pair in pairs]
        columns: dict[str, Column] = {name: [one[name] if one else None for one in found] for name in self._names()}
        known = {name: [value for value in column if value is not None] for name, column in columns.items()}
        return columns, {name: sum(values) / len(values) if values else None for name, values in known.items()}

    def _whole(self, pairs: list[Any], compute: Any) -> tuple[dict[str, Column], dict[str, float | None]]:
        kept = [pair for pair in pairs if pair is not None]
        if not kept:
            return {name: [None] * len(pairs) for name in self._names()}, dict.fromkeys(self._names())
        places = iter(range(len(kept)))
        found = [self._without(kept, next(places), compute) if pair is not None else None for pair in pairs]
        return {name: [one[name] if one else None for one in found] for name in self._names()}, compute(kept)

    @staticmethod
    def _without(kept: list[Any], place: int, compute: Any) -> dict[str, float] | None:
        others = kept[:place] + kept[place + 1 :]
        found: dict[str, float] | None = compute(others) if others else None
        return found
