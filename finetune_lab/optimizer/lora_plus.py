"""LoRA+ (Hayou et al. 2024, arXiv 2402.12354), PEFT's: AdamW with a larger rate for B than for A."""

from typing import Any

from pydantic import Field, NonNegativeFloat, PositiveFloat

from finetune_lab.plugin import plugin


@plugin
class LoraPlus:
    """`learning_rate` is A's, B's is `rate_ratio` times it; `betas` decay the two moments."""

    learning_rate: PositiveFloat
    rate_ratio: PositiveFloat
    weight_decay: NonNegativeFloat
    betas: tuple[float, float]
    epsilon: float = Field(gt=0)

    def make(self, model: Any) -> Any:
        """The optimizer of the trainable weights of `model`."""
        import torch
        from peft.optimizers import create_loraplus_optimizer

        return create_loraplus_optimizer(
            model,
            torch.optim.AdamW,
            lr=self.learning_rate,
            loraplus_lr_ratio=self.rate_ratio,
            loraplus_weight_decay=self.weight_decay,
            betas=self.betas,
            eps=self.epsilon,
            fused=True,
        )
