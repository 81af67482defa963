"""Dropout by drawing places: the same distribution as PyTorch's, element by element, and its gradient."""

import math

import pytest
import torch
from torch import nn

from finetune_lab.training.dropout import SparseDropout, drawn_places, quicken


@pytest.mark.parametrize("p", [0.02, 0.05, 0.5, 0.97])
def test_every_place_is_dropped_with_probability_p_and_independently_of_its_neighbour(p):
    torch.manual_seed(1)
    num, draws = 40, 5000
    dropped = torch.zeros(draws, num)
    for row in dropped:
        row[drawn_places(num, p)] = 1
    error = math.sqrt(p * (1 - p) / draws)
    assert (dropped.mean(0) - p).abs().max() < 4.5 * error
    both = (dropped[:, 1:] * dropped[:, :-1]).mean().item()
    assert both == pytest.approx(p * p, abs=5 * math.sqrt(p * p * (1 - p * p) / (draws * (num - 1))) * 2)


def test_the_number_dropped_varies_as_a_binomial():
    torch.manual_seed(2)
    num, p, draws = 1000, 0.05, 3000
    counts = torch.tensor([float(len(drawn_places(num, p))) for _ in range(draws)])
    assert counts.mean().item() == pytest.approx(num * p, abs=5 * math.sqrt(num * p * (1 - p) / draws))
    assert counts.var().item() == pytest.approx(num * p * (1 - p), rel=5 * math.sqrt(2 / draws))


def test_places_are_drawn_to_the_end_where_the_first_draw_was_too_short(monkeypatch):
    from finetune_lab.training import dropout

    monkeypatch.setattr(dropout, "_steps", lambda num, p: torch.ones(3, dtype=torch.long))
    assert drawn_places(8, 0.5).tolist() == list(range(8))


def test_what_is_kept_is_scaled_and_the_gradient_takes_the_same_mask():
    torch.manual_seed(3)
    x = torch.randn(50, 7, 3, requires_grad=True)
    y = SparseDropout(0.3)(x)
    kept = y != 0
    assert torch.allclose(y[kept], x[kept] / 0.7)
    y.sum().backward()
    assert torch.allclose(x.grad, kept / 0.7)


def test_the_seed_decides_and_evaluation_drops_nothing():
    layer, x = SparseDropout(0.3), torch.ones(1000)
    torch.manual_seed(4)
    first = layer(x)
    torch.manual_seed(4)
    assert torch.equal(layer(x), first)
    assert layer.eval()(x) is x


def test_a_view_that_is_not_contiguous_is_left_as_it_was():
    x = torch.randn(6, 8)
    before = x.clone()
    y = SparseDropout(0.5)(x.t())
    assert torch.equal(x, before)
    assert y.shape == (8, 6)


def test_only_the_adapters_dropout_is_exchanged():
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.lora_dropout = nn.ModuleDict({"default": nn.Dropout(0.1), "other": nn.Identity()})
            self.attention_dropout = nn.Dropout(0.2)

    model = nn.Sequential(Layer())
    quicken(model)
    assert model[0].lora_dropout["default"].p == 0.1
    assert isinstance(model[0].lora_dropout["default"], SparseDropout)
    assert isinstance(model[0].lora_dropout["other"], nn.Identity)
    assert isinstance(model[0].attention_dropout, nn.Dropout)
