"""Several adapters on one model: each is itself, and the model is bare again afterwards."""

import torch

from finetune_lab.inference.adapters import loaded

IDS = torch.tensor([[0, 3, 50, 60, 70]])


def logits(engine):
    with torch.no_grad():
        return engine.module(input_ids=IDS).logits


def test_each_name_is_its_adapter_and_none_is_the_base(tiny_engine, drawn_adapter):
    engine = tiny_engine("none")
    bare = logits(engine)
    with engine.with_adapter(drawn_adapter):
        tuned = logits(engine)
    with loaded(engine, {"one": drawn_adapter, "two.5": drawn_adapter}) as adapters:
        for name, due in (("one", tuned), (None, bare), ("two.5", tuned), ("one", tuned), (None, bare)):
            adapters.use(name)
            assert torch.equal(logits(engine), due)
    assert torch.equal(logits(engine), bare)
    assert not torch.equal(tuned, bare)


def test_without_adapters_nothing_is_touched(tiny_engine):
    engine = tiny_engine("none")
    with loaded(engine, {}) as adapters:
        adapters.use(None)
        assert "lora" not in str(type(engine.module)).lower()
