"""Rules before any training: what the base can do already, and what an arm without training can."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from finetune_lab.errors import ConfigError
from finetune_lab.maths.decision import Case, Decision, Facts, Outcome, decide, named_facts
from finetune_lab.plugin import plugin

Scores = Mapping[str, Mapping[str, float | None]]  # label -> metric -> value


@plugin
class Baseline:
    """The first of `outcomes` that holds for the scores of base and `arms` on a primary metric, else `otherwise`.

    The facts are `base` and the names in `arms`, each standing for the arm with the label behind it. `failing` are
    the outcomes that task.gate refuses. `over`: each base has a case of its own, or there is one in which every fact is
    the best that any base of the group, or any arm of the label, has scored: one base in two modes, say.
    """

    REVISION: ClassVar[int] = 2
    primary: Annotated[tuple[str, ...], Field(min_length=1)]
    arms: dict[str, str]
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1)]
    otherwise: str
    failing: tuple[str, ...]
    over: Literal["each", "best"]

    def cases(self, differences: Sequence[Any], scores: Scores) -> list[Case]:
        """The cases of every primary metric that a base was scored by."""
        unknown = sorted(named_facts(self.outcomes) - {"base", *self.arms})
        if unknown:
            raise ConfigError(
                f"rules.outcomes: no fact is called {', '.join(unknown)}; known: base, {', '.join(self.arms)}"
            )
        bases = [label for label in scores if _first_word(label) == "base"]
        if self.over == "best":
            lower = {f"{row.evaluator}/{row.name}" for row in differences if not row.higher_is_better}
            scored = [metric for metric in self.primary if any(metric in scores[base] for base in bases)]
            return [self._best(metric, scores, min if metric in lower else max) for metric in scored]
        return [
            Case(label=f"{base}, {metric}", facts=self._facts(base, metric, scores))
            for base in bases
            for metric in self.primary
            if metric in scores[base]
        ]

    def decide(self, facts: Facts) -> Decision:
        return decide(self.outcomes, self.otherwise, facts)

    def _facts(self, base: str, metric: str, scores: Scores) -> Facts:
        model = base.partition(" ")[2]  # with several models, labels end in theirs
        labels = {"base": base} | {name: f"{label} {model}".strip() for name, label in self.arms.items()}
        return {name: scores.get(label, {}).get(metric) for name, label in labels.items()}

    def _best(self, metric: str, scores: Scores, choose: Any) -> Case:
        facts: dict[str, float | None] = {}
        notes = []
        for name, word in {"base": "base", **self.arms}.items():
            known = {
                label: value
                for label, found in scores.items()
                if _first_word(label) == word and (value := found.get(metric)) is not None
            }
            best = choose(known, key=known.__getitem__) if known else None
            facts[name] = None if best is None else known[best]
            if len(known) > 1:
                notes.append(f"{name} is {best}, the best of {len(known)} on the rows that decide")
        return Case(label=f"all, {metric}", facts=facts, notes=tuple(notes))


def _first_word(label: str) -> str:
    return label.partition(" ")[0]
