"""The base as an arm: nothing is trained, nothing is written, and what it makes is the model as it is loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from finetune_lab.lab import Lab


def test_it_is_the_base(lab: Callable[..., Lab], fake_model: type[Any], tmp_path: Path) -> None:
    made, model = lab("method=base"), fake_model()
    made.method.check(made.model)
    report = made.method.train(None)
    assert (report.num_steps, report.num_trainable_parameters, report.best_validation_loss) == (0, 0, None)
    with made.method.apply(model, tmp_path) as bare:
        assert bare is model
    assert model.adapters == []
    assert not list(tmp_path.iterdir())
