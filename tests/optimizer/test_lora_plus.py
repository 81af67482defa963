"""LoRA+: one step of B is `rate_ratio` times as long as AdamW's, one of A as long."""

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from finetune_lab.optimizer.lora_plus import LoraPlus


def test_b_goes_rate_ratio_times_as_far() -> None:
    torch.manual_seed(0)
    model = get_peft_model(nn.Sequential(nn.Linear(6, 5)), LoraConfig(r=2, target_modules=["0"]))
    before = {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}
    optimizer = LoraPlus(learning_rate=1e-3, rate_ratio=16, weight_decay=0.0, betas=(0.9, 0.99), epsilon=1e-12).make(
        model
    )
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight) if weight.requires_grad else None
    optimizer.step()
    moved = {name: (dict(model.named_parameters())[name] - old).abs() for name, old in before.items()}
    assert len(moved) == 2
    for name, far in moved.items():  # the first step of Adam is the rate, whatever the gradient
        assert torch.allclose(far, torch.full_like(far, 1.6e-2 if "lora_B" in name else 1e-3), rtol=1e-3), name
