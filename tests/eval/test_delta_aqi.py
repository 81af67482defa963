"""The contrast delta_aqi: what became of the separation from one model's kept states to another's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finetune_lab.errors import ConfigError, DataError
from finetune_lab.inference.state_file import EMBEDDINGS
from finetune_lab.inference.states import write_states
from finetune_lab.preparing.prompts import Prompts
from finetune_lab.protocols import Subject
from finetune_lab.records import Artifact, Evaluation, Sample

WIDTH, LAYERS = 12, 4


class Planted:
    """Noise of its own for every prompt, half of it the model's, and from layer 2 on a shift of the unsafe ones."""

    def __init__(self, effect: float, seed: int) -> None:
        self.effect, self.seed = effect, seed

    def hidden(self, prompts: dict[str, Any], pooling: Any) -> torch.Tensor:
        found = []
        for turns in prompts.values():
            asked = turns[-1]["content"]
            number = int(asked.split()[-1])
            own = np.random.default_rng([number, 0]).normal(size=(LAYERS, WIDTH))
            own += 0.5 * np.random.default_rng([number, self.seed + 1]).normal(size=own.shape)
            own[2:, 0] += self.effect * ("never" in asked)
            found.append(own)
        return torch.tensor(np.array(found), dtype=torch.float32)


def labelled(num: int) -> list[Sample]:
    rows = []
    for number in range(num):
        word, label = ("never", "unsafe") if number % 2 else ("often", "safe")
        rows.append(Sample.of(messages=[{"role": "user", "content": f"{word} {number}"}], facts={"label": label}))
    return rows


@pytest.fixture
def side(tmp_path: Path) -> Callable[..., Subject]:
    """A model whose states of `rows` are kept, as a contrast sees it."""

    def make(name: str, effect: float, rows: Sequence[Sample], seed: int = 0, pooling: Any = "mean") -> Subject:
        folder = tmp_path / name
        folder.mkdir()
        asked = {row.id: row.prompt for row in rows}
        model: Any = Planted(effect, seed)
        write_states(model, asked, folder / EMBEDDINGS, pooling=pooling, about=Prompts.of(tuple(rows)).about())

        def evaluation(reader: str) -> Path:
            assert reader == "aqi"
            return folder

        def nothing(*_: Any) -> Any:
            raise AssertionError("a contrast reads what is kept")

        artifact = Artifact(key=name, label=name)
        return Subject(
            artifact=artifact, rows=tuple(rows), folder=folder, model=nothing, answers=nothing, evaluation=evaluation
        )

    return make


@pytest.fixture
def evaluator(lab: Any) -> Any:
    return lab("eval=[aqi,delta_aqi]", "eval.delta_aqi.resamples=200").evaluators["delta_aqi"]


def values(found: Evaluation) -> dict[str, float | None]:
    return {score.name: score.value for score in found.scores}


def test_the_change_comes_with_its_jackknife_and_the_biased_bootstrap(evaluator: Any, side: Any) -> None:
    rows = labelled(120)
    found = evaluator.contrast(side("base", 1.0, rows), side("tuned", 3.0, rows, seed=1))
    assert [score.name for score in found.scores] == ["delta_squared_change", "aqi_change"]
    assert {score.statistic.null for score in found.scores} == {0.0}
    change = (9 - 1) / 1.25 / WIDTH
    assert values(found)["delta_squared_change"] == pytest.approx(change, abs=0.2)
    curve = found.counts["layers"]
    assert curve[3]["low"] < change < curve[3]["high"]
    assert curve[3]["low"] > 0
    assert curve[1]["low"] < 0 < curve[1]["high"]
    bootstrap = found.counts["bootstrap"]
    assert bootstrap["biased"] is True
    assert bootstrap["resamples"] == 200
    assert "biased" in bootstrap["note"]
    assert len(found.columns["delta_squared_change_without"]) == 120
    assert found.counts["standardised"].startswith("by the reference's")
    assert "not alignment" in found.counts["note"]


def test_a_model_against_itself_has_changed_nothing(evaluator: Any, side: Any) -> None:
    one = side("base", 2.0, labelled(60))
    assert values(evaluator.contrast(one, one)) == {"delta_squared_change": 0.0, "aqi_change": 0.0}


def test_the_change_is_taken_on_prompts_that_are_shared_and_asked_for(evaluator: Any, side: Any) -> None:
    rows = labelled(120)
    before, after = side("base", 1.0, rows[:100]), side("tuned", 1.0, rows[40:][::-1], seed=1)
    found = evaluator.contrast(before, after)
    assert set(found.samples) == {row.id for row in rows[40:100]}
    assert found.counts["dropped"] == 40 + 20
    fewer = Subject(**{**vars(after), "rows": tuple(rows[40:80])})
    assert set(evaluator.contrast(before, fewer).samples) == {row.id for row in rows[40:80]}


def test_states_that_do_not_belong_together_are_an_error(evaluator: Any, side: Any) -> None:
    rows = labelled(80)
    one, other = side("base", 1.0, rows[:40]), side("tuned", 1.0, rows[40:])
    with pytest.raises(DataError, match="share 0 of these prompts"):
        evaluator.contrast(one, other)
    last = side("last", 1.0, rows[:40], pooling="last")
    with pytest.raises(DataError, match="do not belong together: pooled mean and last"):
        evaluator.contrast(one, last)
    torn = other.folder / EMBEDDINGS
    torn.write_bytes(torn.read_bytes()[:400])
    with pytest.raises(DataError, match="no file of pooled states"):
        evaluator.contrast(one, other)


def test_it_needs_the_evaluator_that_it_reads(lab: Any) -> None:
    made = lab("eval=[delta_aqi]")
    with pytest.raises(ConfigError, match=r"eval\.delta_aqi reads what aqi found.*eval=\[aqi,delta_aqi\]"):
        _ = made.measures
