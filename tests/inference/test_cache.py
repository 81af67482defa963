"""The cache with room: what Transformers' growing one holds, whatever is done with it, and without copying it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from transformers.cache_utils import DynamicLayer

from finetune_lab.inference.cache import RoomyLayer, roomy_cache

SIZES = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.2}


def states(length: int, seed: int, rows: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 2, length, 4, generator=generator), torch.randn(rows, 2, length, 6, generator=generator)


def crop(layer: DynamicLayer) -> None:
    layer.crop(-3)


def turn(layer: DynamicLayer) -> None:
    layer.reorder_cache(torch.tensor([2, 0, 1]))


@pytest.mark.parametrize("between", [lambda layer: None, crop, turn])
@pytest.mark.parametrize("room", [4, 9, 100])
def test_it_holds_what_the_growing_cache_holds(room: int, between: Callable[[DynamicLayer], None]) -> None:
    plain, roomy = DynamicLayer(), RoomyLayer(room)
    for number, length in enumerate((5, 1, 1, 2, 1)):
        new = states(length, seed=number)
        for one, other in zip(plain.update(*new), roomy.update(*new), strict=True):
            assert torch.equal(one, other)
        if number == 2:
            between(plain)
            between(roomy)
    assert plain.get_seq_length() == roomy.get_seq_length()
    assert plain.get_mask_sizes(1) == roomy.get_mask_sizes(1)


def test_fewer_rows_are_other_rows() -> None:
    plain, roomy = DynamicLayer(), RoomyLayer(20)
    for layer in (plain, roomy):
        layer.update(*states(5, seed=0))
        layer.batch_select_indices(torch.tensor([2, 1]))
    new = states(1, seed=1, rows=2)
    for one, other in zip(plain.update(*new), roomy.update(*new), strict=True):
        assert torch.equal(one, other)


def test_a_token_copies_nothing_that_was_there() -> None:
    layer = RoomyLayer(50)
    keys, _ = layer.update(*states(5, seed=0))
    for number in range(1, 40):
        assert layer.update(*states(1, seed=number))[0].data_ptr() == keys.data_ptr()


def test_greedy_text_is_the_same_and_the_room_is_enough() -> None:
    torch.manual_seed(0)
    module = LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS)).eval()
    ids, mask = torch.randint(61, (3, 10)), torch.ones(3, 10, dtype=torch.long)
    mask[0, :4] = 0
    asked = {"input_ids": ids, "attention_mask": mask, "max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    cache = roomy_cache(module, 18)
    assert cache is not None
    assert torch.equal(module.generate(**asked, past_key_values=cache), module.generate(**asked))
    assert {layer._whole[0].shape[-2] for layer in cache.layers} == {18}  # type: ignore[attr-defined]


def test_windows_that_slide_stay_as_they_are() -> None:
    torch.manual_seed(0)
    module = MistralForCausalLM(MistralConfig(**SIZES, **HEADS, sliding_window=6)).eval()
    cache = roomy_cache(module, 30)
    assert cache is not None
    assert not any(isinstance(layer, RoomyLayer) for layer in cache.layers)
    ids = torch.randint(61, (2, 10))
    asked = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "max_new_tokens": 8, "do_sample": False}
    assert torch.equal(module.generate(**asked, past_key_values=cache), module.generate(**asked))


def test_a_model_with_a_cache_of_its_own_keeps_it() -> None:
    assert roomy_cache(torch.nn.Linear(2, 2), 10) is None
