"""Riemannian preconditioning: what AdamW is given is (BᵀB + δI)⁻¹ gA and gB (AAᵀ + δI)⁻¹."""

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from finetune_lab.optimizer.riemannian import Riemannian


def test_adamw_is_given_the_preconditioned_gradients() -> None:
    torch.manual_seed(0)
    model = get_peft_model(
        nn.Sequential(nn.Linear(6, 5)), LoraConfig(r=2, target_modules=["0"], init_lora_weights=False)
    )
    inner, outer = (weight for weight in model.parameters() if weight.requires_grad)
    settings = {"learning_rate": 1e-3, "weight_decay": 0.0, "betas": (0.9, 0.99), "epsilon": 1e-8}
    optimizer = Riemannian(damping=1e-2, **settings).make(model)
    inner.grad, outer.grad = torch.randn_like(inner), torch.randn_like(outer)
    damping = 1e-2 * torch.eye(2, dtype=torch.float64)
    a, b = inner.detach().double(), outer.detach().double()
    expected_inner = torch.linalg.solve(b.T @ b + damping, inner.grad.double())
    expected_outer = torch.linalg.solve(a @ a.T + damping, outer.grad.double().T).T
    optimizer.step()
    assert torch.allclose(optimizer.state[inner]["exp_avg"].double(), 0.1 * expected_inner, rtol=1e-3, atol=1e-5)
    assert torch.allclose(optimizer.state[outer]["exp_avg"].double(), 0.1 * expected_outer, rtol=1e-3, atol=1e-5)
