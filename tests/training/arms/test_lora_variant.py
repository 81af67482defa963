"""The variants train a few steps on the embedded model; a principal start leaves base and export as others do."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from finetune_lab.errors import ConfigError

SMALL = ["method.adapter.rank=4", "method.max_steps=4", "method.evaluate_every=2"]


@pytest.mark.parametrize(
    ("method", "says"),
    [("rslora", {"use_rslora": True}), ("dora", {"use_dora": True})],
)
def test_a_variant_trains(
    method: str, says: dict[str, Any], train: Callable[..., Any], tiny_engine: Callable[[str], Any]
) -> None:
    done = train(f"method={method}", "method.optimizer.learning_rate=5e-3", *SMALL)
    losses = done.curve("train/loss")
    assert losses[-1] < losses[0]
    config = json.loads((done.folder / "adapter" / "adapter_config.json").read_text())
    assert says.items() <= config.items()


def test_a_principal_start_is_undone_and_exported_as_a_plain_adapter(
    train: Callable[..., Any], tiny_engine: Callable[[str], Any]
) -> None:
    engine = tiny_engine("none")
    before = {name: weight.detach().clone() for name, weight in engine.module.named_parameters()}
    done = train("method=pissa", "model.quantization=none", "method.optimizer.learning_rate=1e-3", *SMALL)
    for name, weight in engine.module.named_parameters():
        assert torch.equal(weight, before[name]), name
    rows = [engine.chat.conversation(sample) for sample in done.rows]
    with engine.with_adapter(done.folder / "adapter") as tuned:
        scored = tuned.nll(rows)
    with engine.as_base() as bare:
        base = bare.nll(rows)
    loss, plain = (sum(r.sum_nats for r in found) / sum(r.num_tokens for r in found) for found in (scored, base))
    assert loss < 0.95 * plain
    assert json.loads((done.folder / "adapter" / "adapter_config.json").read_text())["r"] == 8  # twice the rank


def test_a_principal_start_refuses_quantised_weights(train: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="plain weights"):
        train("method=pissa", "model.quantization=nf4", *SMALL)
