"""GRIT: a natural-gradient optimizer for LoRA. Needs no more than torch and peft; see docs/grit.md."""

from finetune_lab.training.grit.optimizer import Grit, create_grit_optimizer

__all__ = ["Grit", "create_grit_optimizer"]
