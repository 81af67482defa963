"""Contrasts: two artifacts at once, under one measure for all seeds of an arm, and how their scores are compared."""

import importlib.util
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from finetune_lab.comparison.contenders import contenders
from finetune_lab.comparison.questions import Questions
from finetune_lab.errors import ConfigError, LabError
from finetune_lab.maths.compare import compare_many
from finetune_lab.plugin import plugin
from finetune_lab.records import Artifact, Evaluation, Sample, Score, Statistic
from finetune_lab.scoring import Scoring
from finetune_lab.store.references import find_reference
from finetune_lab.store.store import Store

_spec = importlib.util.spec_from_file_location("outputs_by_hand", Path(__file__).parent / "store" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_by_hand = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_by_hand)
ROWS = tuple(Sample.of(messages=[{"role": "user", "content": f"Question {number}?"}]) for number in range(40))


def evaluation(name: str, values: list[float], **more: Any) -> Evaluation:
    score = Score(name=name, value=sum(values) / len(values), higher_is_better=True, statistic=more["statistic"])
    ids = tuple(row.id for row in ROWS)
    return Evaluation(samples=ids, clusters=ids, columns={more["statistic"].of: values}, scores=(score,))


@plugin
class Plain:
    counts_tokens: ClassVar[bool] = False
    base_value: float

    @property
    def rows(self) -> Any:
        return SimpleNamespace(split="test", max_rows=None, data=None)

    def evaluate(self, subject: Any) -> Evaluation:
        values = [self.base_value + (subject.artifact.label != "base")] * len(ROWS)
        return evaluation("level", values, statistic=Statistic(kind="mean", of="level"))


@plugin
class Wins:
    """Every fourth sample is a tie, the others are won, by what `plain` found on both sides."""

    counts_tokens: ClassVar[bool] = False
    reference: str
    reads: tuple[str, ...]

    @property
    def rows(self) -> Any:
        return SimpleNamespace(split="test", max_rows=None, data=None)

    def contrast(self, reference: Any, candidate: Any) -> Evaluation:
        assert reference.artifact.key != candidate.artifact.key
        assert all(
            (side.evaluation(name) / "done.json").exists() for side in (reference, candidate) for name in self.reads
        )
        won = [0.5 if number % 4 == 0 else 1.0 for number in range(len(ROWS))]
        return evaluation("win_rate", won, statistic=Statistic(kind="mean", of="won", null=0.5))


@dataclass
class Bench:
    """What scoring needs of a lab, over a real outputs folder and a real store."""

    root: Path
    store: Store
    evaluators: dict[str, Any]
    seed: int = 0
    group: str = "study"
    base: Artifact = field(default=Artifact(key="base-b", label="base"))
    model: Any = None

    @property
    def outputs(self) -> Path:
        return self.root

    def rows(self, _: Any) -> tuple[Sample, ...]:
        return ROWS

    def using(self, _: Artifact) -> Any:
        return nullcontext()

    def answers(self, *_: Any) -> Any:
        return ()

    def ask(self, *_: Any) -> Any:
        raise AssertionError("no judge is asked here")

    def renews(self, *_: Any) -> bool:
        return False


@pytest.fixture
def outputs(tmp_path: Path) -> Any:
    return _by_hand.Outputs(tmp_path / "outputs")


@pytest.fixture
def bench(outputs: Any) -> Any:
    store = Store(outputs.root / "lab.sqlite")
    contrast = Wins(reference="base", reads=("plain",))
    yield Bench(root=outputs.root, store=store, evaluators={"wins": contrast, "plain": Plain(base_value=1.0)})
    store.close()


def made(outputs: Any, key: str, label: str, seed: int) -> Artifact:
    """A finished run and member of the group."""
    outputs.run(key=key, label=label, seed=seed, identity=["model", "data", label, seed])
    outputs.member(key=key, label=label)
    return Artifact(key=key, label=label, folder=outputs.root / "runs" / f"{label}-tiny-{key}")


def test_contrasts_come_last_and_set_nothing_against_itself(bench: Bench, outputs: Any) -> None:
    scoring = Scoring(lab=bench)
    assert list(scoring.of(bench.base)) == ["plain"]
    assert list(scoring.of(made(outputs, "aaa", "grit", 0))) == ["plain", "wins"]


def test_seeds_of_an_arm_share_the_measure_of_a_contrast(bench: Bench, outputs: Any) -> None:
    for seed, key in enumerate(("aaa", "aab")):
        made(outputs, key, "qlora", seed)
    made(outputs, "aac", "lora", 0)
    found = {}
    for label, seed in (("qlora", 0), ("qlora", 1), ("lora", 0)):
        bench.evaluators, bench.seed = {"wins": Wins(reference=label, reads=())}, seed
        found[label, seed] = Scoring(lab=bench).measures["wins"]
    assert found["qlora", 0] == found["qlora", 1] != found["lora", 0]


def test_a_contrast_is_compared_with_no_difference(bench: Bench, outputs: Any) -> None:
    scoring = Scoring(lab=bench)
    scoring.evaluate("plain", bench.base)
    for seed, key in enumerate(("aaa", "aab")):
        candidate = made(outputs, key, "grit", seed)
        for name in scoring.of(candidate):
            scoring.evaluate(name, candidate)
        outputs.member(key=key, label="grit", measures=dict(scoring.measures))
        bench.store.index_run(candidate.place)
        bench.store.index_membership(outputs.root / "groups" / "study" / f"{key}.json")
    arms, bases = contenders(bench.store.members("study"))
    questions, missing = Questions(bench.store, [*bases, *arms], frozenset()).ask([(bases[0], arms[0])])
    assert missing == []
    found = {one.name: one for one in compare_many(questions, resamples=199)}
    assert found["level"].difference == 1.0
    wins = found["win_rate"]
    assert (wins.reference_label, wins.reference, wins.candidate, wins.num_seeds) == ("base", 0.5, 0.875, 2)
    assert wins.verdict == "better"
    assert 0.3 < wins.low < 0.375 < wins.high < 0.45


def test_what_a_contrast_reads_must_be_chosen(bench: Bench, outputs: Any) -> None:
    del bench.evaluators["plain"]
    with pytest.raises(ConfigError, match=r"eval.wins reads what plain found; choose it as well: eval=\[plain,wins\]"):
        Scoring(lab=bench).evaluate("wins", made(outputs, "aaa", "grit", 0))


def test_a_reference_is_found_by_key_or_by_label_and_seed(outputs: Any) -> None:
    for seed, key in enumerate(("aaa", "aab")):
        made(outputs, key, "qlora", seed)
    by_label = find_reference(outputs.root, "study", "qlora", 1, "eval.wins.reference")
    by_key = find_reference(outputs.root, "elsewhere", "aab", 0, "eval.wins.reference")
    assert by_label.artifact.key == by_key.artifact.key == "aab"
    with pytest.raises(LabError, match="qlora has not answered or scored these rows"):
        by_key.artifact.maker.apply(None, by_key.artifact.place)


def test_a_reference_that_is_not_there_is_told_with_what_is(outputs: Any) -> None:
    made(outputs, "aaa", "qlora", 0)
    with pytest.raises(LabError, match=r"eval.wins.reference: no finished run 'lora' .* base, qlora \(seed 0, aaa\)"):
        find_reference(outputs.root, "study", "lora", 0, "eval.wins.reference")
    made(outputs, "aab", "qlora", 0)
    with pytest.raises(LabError, match="several runs 'qlora'"):
        find_reference(outputs.root, "study", "qlora", 0, "eval.wins.reference")
