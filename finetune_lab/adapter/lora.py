"""LoRA: W x + s·B A x with frozen W (Hu et al. 2021, arXiv 2106.09685)."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field, PositiveFloat, PositiveInt

from finetune_lab.plugin import plugin
from finetune_lab.training.attach import attach


@plugin
class Lora:
    """`alpha`: s = alpha / rank. `projections` null takes those that the model's YAML names."""

    rank: PositiveInt
    alpha: PositiveFloat
    dropout: float = Field(ge=0, lt=1)
    projections: tuple[str, ...] | None

    def attach(self, module: Any, projections: Sequence[str]) -> Any:
        """Put fresh adapters on `module` in place and return the PEFT model; ConfigError for a name without a match."""
        from peft import LoraConfig

        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # PEFT divides by it; it need not be whole
            lora_dropout=self.dropout,
            target_modules=list(self.projections or projections),
            task_type="CAUSAL_LM",
        )
        return attach(module, config)
