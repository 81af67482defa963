"""LoRA-FA (Zhang et al. 2023, arXiv 2308.03303), PEFT's: A stays as it began, B takes a projected Adam step."""

from collections.abc import Sequence
from typing import Any

from pydantic import NonNegativeFloat, PositiveFloat

from finetune_lab.planning.outline import FLOAT, Load, Pair
from finetune_lab.plugin import plugin


@plugin
class LoraFa:
    """PEFT's optimizer fixes the decays of the moments at 0.9 and 0.999."""

    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat

    def make(self, model: Any) -> Any:
        """The optimizer of the B matrices of `model`; its A matrices are frozen from here on."""
        from peft.optimizers import create_lorafa_optimizer

        config = model.peft_config[model.active_adapter]
        return create_lorafa_optimizer(
            model, r=config.r, lora_alpha=config.lora_alpha, lr=self.learning_rate, weight_decay=self.weight_decay
        )

    def load(self, pairs: Sequence[Pair]) -> Load:
        """Gradient and two moments of B alone."""
        outer = FLOAT * sum(pair.num_outer for pair in pairs)
        return Load(state_bytes=2 * outer, gradient_bytes=outer, step_bytes=0, learns_inner=False)
