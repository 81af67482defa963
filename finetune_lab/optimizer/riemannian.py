"""Riemannian preconditioned LoRA (Zhang and Pilanci 2024, arXiv 2402.02347), PEFT's, before AdamW."""

from typing import Any

from pydantic import Field, NonNegativeFloat, PositiveFloat

from finetune_lab.plugin import plugin


@plugin
class Riemannian:
    """A's gradient times (BᵀB + δI)⁻¹ and B's times (AAᵀ + δI)⁻¹ go to AdamW; `damping` is δ."""

    learning_rate: PositiveFloat
    damping: PositiveFloat
    weight_decay: NonNegativeFloat
    betas: tuple[float, float]
    epsilon: float = Field(gt=0)

    def make(self, model: Any) -> Any:
        """The optimizer of the trainable weights of `model`."""
        import torch
        from peft.optimizers import create_riemannian_optimizer

        return create_riemannian_optimizer(
            model,
            torch.optim.AdamW,
            lr=self.learning_rate,
            reg=self.damping,
            weight_decay=self.weight_decay,
            betas=self.betas,
            eps=self.epsilon,
            fused=True,
        )
