"""Rules before any training: what the base can do already, and what an arm without training can."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from finetune_lab.errors import ConfigError
from finetune_lab.maths.decision import Case, Decision, Facts, Outcome, decide, named_facts
from finetune_lab.plugin import plugin


@plugin
class Baseline:
    """The first of `outcomes` that holds for the scores of base and `arms` on a primary metric, else `otherwise`.

    The facts are `base` and the names in `arms`, each standing for the arm with the label behind it. `failing` are
    the outcomes that task.gate refuses.
    """

    primary: Annotated[tuple[str, ...], Field(min_length=1)]
    arms: dict[str, str]
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1)]
    otherwise: str
    failing: tuple[str, ...]

    def cases(self, differences: Sequence[Any], scores: Mapping[str, Mapping[str, float | None]]) -> list[Case]:
        """One case for each base and primary metric that it was scored by."""
        unknown = sorted(named_facts(self.outcomes) - {"base", *self.arms})
        if unknown:
            raise ConfigError(
                f"rules.outcomes: no fact is called {', '.join(unknown)}; known: base, {', '.join(self.arms)}"
            )
        bases = [label for label in scores if label.partition(" ")[0] == "base"]
        return [
            Case(label=f"{base}, {metric}", facts=self._facts(base, metric, scores))
            for base in bases
            for metric in self.primary
            if metric in scores[base]
        ]

    def decide(self, facts: Facts) -> Decision:
        return decide(self.outcomes, self.otherwise, facts)

    def _facts(self, base: str, metric: str, scores: Mapping[str, Mapping[str, float | None]]) -> Facts:
        model = base.partition(" ")[2]  # with several models, labels end in theirs
        labels = {"base": base} | {name: f"{label} {model}".strip() for name, label in self.arms.items()}
        return {name: scores.get(label, {}).get(metric) for name, label in labels.items()}
