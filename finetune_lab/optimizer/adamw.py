"""AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), PyTorch's."""

from typing import Any

from pydantic import Field, NonNegativeFloat, PositiveFloat

from finetune_lab.plugin import plugin


@plugin
class AdamW:
    """Decoupled weight decay on every adapter weight; `betas` decay the two moments."""

    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    betas: tuple[float, float]
    epsilon: float = Field(gt=0)

    def make(self, model: Any) -> Any:
        """The optimizer of the trainable weights of `model`."""
        import torch

        return torch.optim.AdamW(
            [weight for weight in model.parameters() if weight.requires_grad],
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            betas=self.betas,
            eps=self.epsilon,
            fused=True,
        )
