"""finetune_lab: find out whether a fine-tuning method really helped."""

__version__ = "0.1.0"
