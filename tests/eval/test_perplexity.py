"""Perplexity: the known value of a real model, and its parts by a model whose costs are known."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import ConfigError
from finetune_lab.protocols import Subject
from finetune_lab.records import Artifact, Evaluation, Sample


@pytest.fixture
def score(lab: Any, fake_model: Any, tmp_path: Path) -> Callable[..., tuple[Evaluation, Any]]:
    """Score rows with the fake: the evaluation, and the fake, which knows what it was given."""

    def run(rows: list[Sample], *overrides: str) -> tuple[Evaluation, Any]:
        fake = fake_model()
        evaluator = lab("eval=[perplexity]", *overrides).evaluators["perplexity"]
        unused: Any = None
        artifact, given = Artifact(key="a", label="base"), tuple(rows)
        subject = Subject(
            artifact=artifact, rows=given, folder=tmp_path, model=lambda: fake, answers=unused, evaluation=unused
        )
        return evaluator.evaluate(subject), fake

    return run


def values(evaluation: Evaluation) -> dict[str, float]:
    return {score.name: score.value for score in evaluation.scores}  # type: ignore[misc]


def talk(question: str, answer: str) -> Sample:
    return Sample.of(messages=[{"role": "user", "content": question}, {"role": "assistant", "content": answer}])


def test_three_ways_to_average(score: Any) -> None:
    rows = [talk("what?", "caf\u00e9"), talk("why?", "so"), talk("q", "a longer answer")]
    found, fake = score(rows)
    nlls = fake.nll(fake.scored[: len(rows)])
    nats, tokens = sum(nll.sum_nats for nll in nlls), sum(nll.num_tokens for nll in nlls)
    assert tokens == (5 + 1) + (2 + 1) + (15 + 1)  # bytes and the end token
    assert values(found)["perplexity"] == pytest.approx(math.exp(nats / tokens))
    assert values(found)["bits_per_byte"] == pytest.approx(nats / (5 + 2 + 15) / math.log(2))
    each = [nll.sum_nats / nll.num_tokens for nll in nlls]
    assert values(found)["sequence_nll"] == pytest.approx(sum(each) / 3)
    assert not any(one.higher_is_better for one in found.scores)
    assert found.columns["num_tokens"] == [6.0, 3.0, 16.0]
    assert found.samples == tuple(row.id for row in rows)
    assert found.clusters == tuple(row.group for row in rows)
    assert found.counts == {"rows": 3, "unscored": 0, "tokens": tokens, "mode": "completion"}


def test_scores_follow_from_columns_by_their_statistics(score: Any) -> None:
    found, _ = score([talk("a", "b" * n) for n in range(1, 9)])
    for one in found.scores:
        rule = one.statistic
        top = sum(found.columns[rule.of])
        bottom = sum(found.columns[rule.per]) if rule.kind == "ratio" else len(found.samples)
        value = math.exp(top / bottom) if rule.transform == "exp" else top / bottom
        assert value * rule.scale == pytest.approx(one.value), one.name


def test_modes_score_what_they_say(score: Any) -> None:
    rows = [talk("question", "answer"), Sample.of(text="some words")]
    completion, full = score(rows)[0], score(rows, "eval.perplexity.mode=full")[0]
    assert completion.columns["num_tokens"] == [7.0, 10.0]
    assert completion.columns["num_bytes"] == [6.0, 10.0]
    # bos | role, 8 bytes, end | role, 6 bytes, end: all but the bos
    assert full.columns["num_tokens"] == [18.0, 10.0]
    assert full.columns["num_bytes"] == [14.0, 10.0]


def test_windows_score_what_full_does_when_only_the_token_before_counts(score: Any) -> None:
    rows = [Sample.of(text="a story " * 20), Sample.of(text="short")]
    full, _ = score(rows, "eval.perplexity.mode=full")
    for window, context in ((7, 1), (16, 8), (500, 1), (1, 1)):
        settings = [f"eval.perplexity.window={window}", f"eval.perplexity.context={context}"]
        rolled, fake = score(rows, "eval.perplexity.mode=rolling", *settings)
        assert rolled.columns["num_tokens"] == full.columns["num_tokens"]
        assert rolled.columns["sum_nats"] == pytest.approx(full.columns["sum_nats"])
        assert max(len(piece.ids) for piece in fake.scored) <= window + 1


def test_a_row_without_a_target_is_unscored_and_not_zero(score: Any) -> None:
    rows = [talk("q", "a"), Sample.of(messages=[{"role": "user", "content": "no answer"}])]
    found, _ = score(rows)
    assert found.counts["unscored"] == 1
    assert found.columns["sum_nats"][1] is None
    assert found.columns["num_bytes"][1] is None
    assert values(found) == values(score(rows[:1])[0])
    nothing, _ = score(rows[1:])
    assert set(values(nothing).values()) == {None}


def test_more_context_than_window_is_a_mistake_of_the_config(lab: Any) -> None:
    with pytest.raises(ConfigError, match=r"eval\.perplexity.*context.*window"):
        lab("eval=[perplexity]", "eval.perplexity.window=4", "eval.perplexity.context=5")


def test_the_tokenizer_belongs_to_the_measure(lab: Any) -> None:
    evaluator = lab("eval=[perplexity]").evaluators["perplexity"]
    assert evaluator.counts_tokens


@pytest.mark.realdata
def test_a_real_model_has_its_known_perplexity(lab: Any, realdata: Path) -> None:
    """Reference: 1.26644 nats per token over 1,804 tokens, perplexity 3.54820 (../shared/data/README.md)."""
    made = lab(
        "model=local",
        f"model.path='{realdata / 'models' / 'stories260k_hf'}'",
        "data=text",
        f"data.path='{realdata / 'text' / 'tinystories_sample.txt'}'",
        "data.separator='<|endoftext|>'",
        "data.split={train:0,validation:0,test:1,seed:0}",
        "method=lora",
        "runtime.device=cpu",
        "eval=[perplexity]",
        "eval.perplexity.mode=full",
    )
    found = made.evaluate(made.base)["perplexity"]
    assert found.counts["tokens"] == 1804
    assert found.counts["rows"] == 5
    assert values(found)["perplexity"] == pytest.approx(3.54820, abs=2e-5)
    assert math.log(values(found)["perplexity"]) == pytest.approx(1.26644, abs=1e-5)
    folder = made.outputs / "evals" / f"perplexity-{made.measures['perplexity']}" / made.base.key
    assert json.loads((folder / "done.json").read_text())["scores"][0]["value"] == values(found)["perplexity"]
