"""GRIT: Adam in the eigenbases of the Fisher information of LoRA layers (docs/grit.md)."""

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from finetune_lab.plugin import plugin


@plugin
class Grit:
    """`sides`: whose curvature is used; `wide_rank` directions of each wide side; steps between measurements and
    turns; `burn_in_tokens` heard before the first turn, until which it is Adam.
    """

    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    betas: tuple[float, float]
    epsilon: float = Field(gt=0)
    sides: tuple[Literal["rank", "input", "output"], ...]
    wide_rank: PositiveInt
    collect_every: PositiveInt
    refresh_every: PositiveInt
    statistics_decay: float = Field(ge=0, lt=1)
    burn_in_tokens: NonNegativeInt
    collect: Literal["one", "all"]
    trust: PositiveFloat | None
    outer_rate_ratio: PositiveFloat
    placebo: bool

    def make(self, model: Any) -> Any:
        """The optimizer of the LoRA layers of `model`."""
        from finetune_lab.training.grit import create_grit_optimizer

        return create_grit_optimizer(
            model,
            lr=self.learning_rate,
            betas=self.betas,
            eps=self.epsilon,
            weight_decay=self.weight_decay,
            sides=self.sides,
            wide_rank=self.wide_rank,
            collect_every=self.collect_every,
            refresh_every=self.refresh_every,
            statistics_decay=self.statistics_decay,
            burn_in_tokens=self.burn_in_tokens,
            collect=self.collect,
            trust=self.trust,
            outer_rate_ratio=self.outer_rate_ratio,
            placebo=self.placebo,
        )
