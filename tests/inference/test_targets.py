"""Logits at the targets alone give the loss and the gradients of the full computation."""

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from finetune_lab.inference.targets import IGNORED, TargetLogits

VOCABULARY = 61


def small_llama(*, tied: bool = False) -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=tied,
    )
    return LlamaForCausalLM(config).double()


def batch(*, all_masked_row: bool = False) -> dict[str, torch.Tensor]:
    """Three rows of 12; the last tokens of rows 1 and 2 are padding; about half are learned."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, VOCABULARY, (3, 12), generator=generator)
    labels = torch.where(torch.rand(3, 12, generator=generator) < 0.5, ids, IGNORED)
    labels[1, 9:], labels[2, 5:] = IGNORED, IGNORED
    labels[:, 0] = IGNORED
    if all_masked_row:
        labels[1] = IGNORED
    return {"input_ids": ids, "labels": labels}


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("extra", [{}, {"num_items_in_batch": torch.tensor(31)}], ids=["mean", "accumulated"])
@pytest.mark.parametrize("all_masked_row", [False, True])
def test_loss_and_adapter_gradients_are_those_of_the_plain_model(tied: bool, extra: Any, all_masked_row: bool) -> None:
    plain = small_llama(tied=tied)
    hooked = copy.deepcopy(plain)
    TargetLogits(hooked)
    found = []
    for model in (plain, hooked):
        torch.manual_seed(2)
        adapted = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "down_proj"]))
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight)  # zero at first, which would make the gradients of A zero
        adapted.train()
        output = adapted(**batch(all_masked_row=all_masked_row), **extra)
        output.loss.backward()
        found.append((output, gradients(adapted)))
    (full, expected), (few, got) = found
    assert few.loss.item() == pytest.approx(full.loss.item(), rel=1e-6)  # Transformers takes the loss in float32
    assert got.keys() == expected.keys()
    assert len(got) == 8  # A and B of two projections in two layers
    for name in expected:
        torch.testing.assert_close(got[name], expected[name], rtol=1e-5, atol=1e-9)
    num_targets = int((batch(all_masked_row=all_masked_row)["labels"][:, 1:] != IGNORED).sum())
    assert few.logits.shape == (1, num_targets, VOCABULARY)


def test_without_labels_the_model_is_the_plain_one() -> None:
    plain = small_llama()
    hooked = copy.deepcopy(plain)
    targets = TargetLogits(hooked)
    ids = batch()["input_ids"]
    assert torch.equal(hooked(input_ids=ids).logits, plain(input_ids=ids).logits)
    full = plain(input_ids=ids).logits.reshape(-1, VOCABULARY)
    with targets.at(torch.tensor([0, 7, 35])):
        few = hooked(input_ids=ids).logits
    torch.testing.assert_close(few[0], full[[0, 7, 35]])
    assert hooked(input_ids=ids).logits.shape == (3, 12, VOCABULARY)  # the positions are forgotten


def test_a_forward_pass_that_fails_leaves_nothing_behind() -> None:
    hooked = small_llama()
    TargetLogits(hooked)
    with pytest.raises(IndexError):
        hooked(input_ids=torch.tensor([[VOCABULARY + 5]]), labels=torch.tensor([[1]]))
    assert hooked(input_ids=batch()["input_ids"]).logits.shape == (3, 12, VOCABULARY)
