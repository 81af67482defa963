"""The whole flow on the embedded model: what is made, what is kept, what is put aside, and what is compared."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.lab import Lab
from finetune_lab.model.tiny import Tiny
from finetune_lab.once import read_note
from finetune_lab.records import Answer
from finetune_lab.store.folders import read_json_lines

SHORT = (
    "data.max_rows=40",
    "data.split={train:0.6,validation:0.2,test:0.2,seed:42}",
    "method.max_steps=4",
    "method.evaluate_every=2",
    "method.batch_size=2",
    "method.accumulation=1",
    "decoding.max_new_tokens=12",
    "runtime.device=cpu",
    "runtime.log_every_steps=1",
    "group=study",
)


@dataclass
class World:
    """An outputs folder, and lines that run on it with the embedded model loaded but once."""

    outputs: Path
    compose: Callable[..., tuple[Lab, Any]]
    engine: Any
    loads: list[str] = field(default_factory=list)

    def lab(self, *overrides: str) -> Lab:
        return self.compose(*SHORT, *overrides, outputs=self.outputs)[0]

    def run(self, *overrides: str) -> Lab:
        lab, task = self.compose(*SHORT, *overrides, outputs=self.outputs)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Tiny, "load", lambda source, _: self._load(source))
            task.execute(lab)
        return lab

    def _load(self, source: Tiny) -> Any:
        self.loads.append(source.quantization)
        return self.engine

    def tree(self) -> dict[str, tuple[int, int]]:
        """Every file with its size and time of change, but the store's and the locks'."""
        found = {}
        for path in sorted(self.outputs.rglob("*")):
            name = path.relative_to(self.outputs).as_posix()
            if path.is_file() and not name.startswith("lab.sqlite") and "/.locks/" not in f"/{name}":
                found[name] = (path.stat().st_size, path.stat().st_mtime_ns)
        return found

    def copy(self, place: Path) -> "World":
        shutil.copytree(self.outputs, place, copy_function=shutil.copy2)
        return World(place, self.compose, self.engine)


@pytest.fixture(scope="module")
def world(tmp_path_factory: Any, compose_line: Any, tiny_engine: Any) -> World:
    """Two arms of one group, run one after the other."""
    made = World(tmp_path_factory.mktemp("flow") / "outputs", compose_line, tiny_engine("nf4"))
    made.run("method=qlora")
    made.run("method=lora")
    return made


@pytest.fixture
def own(world: World, tmp_path: Path) -> World:
    """A copy of the two arms for a test that changes it."""
    return world.copy(tmp_path / "outputs")


def notes(world: World) -> Iterator[dict[str, Any]]:
    for path in world.outputs.rglob("done.json"):
        yield json.loads(path.read_text())


def test_everything_is_made_once_and_the_base_is_shared(world: World) -> None:
    qlora, lora = world.lab("method=qlora"), world.lab("method=lora")
    assert qlora.artifact.key != lora.artifact.key
    assert qlora.base.key == lora.base.key
    kinds = Counter(note["kind"] for note in notes(world))
    assert kinds == {"dataset": 1, "run": 2, "answers": 3, "evaluation": 6}
    subjects = Counter(note["subject"] for note in notes(world) if note["kind"] == "evaluation")
    assert subjects == {qlora.base.key: 2, qlora.artifact.key: 2, lora.artifact.key: 2}
    assert world.loads == ["nf4", "nf4"]  # once for each line
    assert len(list(world.outputs.glob("data/*/done.json"))) == 1


def test_a_run_says_what_it_is_and_what_it_cost(world: World) -> None:
    lab = world.lab("method=qlora")
    note = read_note(lab.artifact.place)
    assert note is not None
    assert (note["kind"], note["key"], note["label"], note["group"]) == ("run", lab.artifact.key, "qlora", "study")
    assert note["report"]["num_steps"] == 4
    assert note["made"]["packages"]["torch"]
    curve = read_json_lines(lab.artifact.place / "curve.jsonl")
    assert [row["step"] for row in curve if "train/loss" in row["metrics"]] == [1, 2, 3, 4]
    assert [row["step"] for row in curve if "validation/loss" in row["metrics"]] == [2, 4]


def test_answers_belong_to_the_rows_in_their_order(world: World) -> None:
    lab = world.lab("method=qlora")
    evaluator = lab.evaluators["schema"]
    rows = lab.rows(evaluator)
    found = lab.answers(lab.artifact, rows, evaluator.decoding)  # type: ignore[attr-defined]
    assert [answer.sample for answer in found] == [row.id for row in rows]
    assert all(isinstance(answer, Answer) and answer.num_tokens <= 12 for answer in found)


def test_the_tuned_model_is_another_than_the_base(world: World) -> None:
    lab = world.lab("method=qlora")
    base, tuned = lab.evaluate(lab.base)["perplexity"], lab.evaluate(lab.artifact)["perplexity"]
    assert base.samples == tuned.samples
    assert base.columns["num_tokens"] == tuned.columns["num_tokens"]
    assert base.columns["sum_nats"] != tuned.columns["sum_nats"]


def test_the_same_line_again_keeps_everything_and_loads_nothing(world: World) -> None:
    before, loads = world.tree(), len(world.loads)
    lab = world.run("method=qlora")
    assert len(world.loads) == loads
    assert "language_model" not in vars(lab)
    changed = {name for name, stat in world.tree().items() if before.get(name) != stat}
    assert not changed - {f"groups/study/{lab.artifact.key}.json"}


def test_a_kept_line_does_not_import_torch(world: World, root: Path) -> None:
    line = [*SHORT, "method=lora", f"outputs={world.outputs}", "tracker=none", "runtime.threads=1"]
    program = (
        "import sys\n"
        f"sys.argv = ['finetune_lab', *{line!r}]\n"
        "from finetune_lab.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'transformers', 'peft', 'bitsandbytes', 'trl', 'wandb'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("kept") == 1 + 1 + 2 * 2 + done.stdout.count("answers/")
    assert "making" not in done.stdout


def test_comparing_pairs_both_arms_with_their_base_and_with_one_another(world: World, capsys: Any) -> None:
    world.run("task=compare", "task.format=json", "task.resamples=99")
    found = json.loads(capsys.readouterr().out)["differences"]
    pairs = {frozenset((d["reference_label"], d["candidate_label"])) for d in found if d["name"] == "perplexity"}
    assert pairs == {frozenset(pair) for pair in (("base", "lora"), ("base", "qlora"), ("lora", "qlora"))}


def test_only_like_is_compared_with_like(own: World, capsys: Any) -> None:
    """One arm is scored on all test rows, the other on three of them: under two measures that is no comparison."""
    for path in own.outputs.glob("groups/study/*.json"):
        path.unlink()
    (own.outputs / "lab.sqlite").unlink()
    own.run("task=reindex")
    own.run("method=qlora")
    other = own.run("method=lora", "eval.perplexity.rows.max_rows=3")
    assert own.lab("method=qlora").measures["perplexity"] != other.measures["perplexity"]
    assert own.lab("method=qlora").measures["schema"] == other.measures["schema"]
    capsys.readouterr()
    own.run("task=compare", "task.format=json", "task.resamples=99")
    found = json.loads(capsys.readouterr().out)["differences"]
    arms = {frozenset((d["reference_label"], d["candidate_label"])) for d in found if d["name"] == "perplexity"}
    assert frozenset(("lora", "qlora")) not in arms
    assert len(arms) == 2  # each with its base
    assert any(
        {d["reference_label"], d["candidate_label"]} == {"lora", "qlora"} for d in found if d["evaluator"] == "schema"
    )


# What makes another key


@pytest.mark.parametrize(
    "place",
    [
        "finetune_lab.method.finetune.Finetune",
        "finetune_lab.adapter.lora.Lora",
        "finetune_lab.optimizer.adamw.AdamW",
        "finetune_lab.objective.sft.Sft",
        "finetune_lab.data.pocketguide.Pocketguide",
        "finetune_lab.preparing.splitting.Split",
        "finetune_lab.model.tiny.Tiny",
    ],
)
def test_a_raised_revision_is_another_experiment(place: str, world: World, monkeypatch: Any) -> None:
    import importlib

    before = world.lab()
    old, old_base = before.artifact.key, before.base.key
    module, _, name = place.rpartition(".")
    monkeypatch.setattr(getattr(importlib.import_module(module), name), "REVISION", 99)
    after = world.lab()
    assert after.artifact.key != old
    assert (after.base.key != old_base) == (name == "Tiny")


def test_a_raised_revision_of_an_evaluator_is_another_measure_of_the_same_experiment(
    world: World, monkeypatch: Any
) -> None:
    from finetune_lab.eval.perplexity import Perplexity

    before = world.lab().measures
    monkeypatch.setattr(Perplexity, "REVISION", 99)
    after = world.lab()
    assert after.measures["perplexity"] != before["perplexity"]
    assert after.measures["schema"] == before["schema"]
    assert after.artifact.key == world.lab().artifact.key


@pytest.mark.parametrize(
    ("override", "experiment", "perplexity", "schema"),
    [
        ("seed=1", True, False, False),
        ("method.optimizer.learning_rate=1e-4", True, False, False),
        ("model.quantization=int8", True, False, False),
        ("runtime.threads=2", False, False, False),
        ("group=other", False, False, False),
        ("runtime.inference_batch_rows=1", False, False, False),
        ("tracker.project=x", False, False, False),
        ("eval.perplexity.mode=full", False, True, False),
        ("eval.perplexity.rows.max_rows=2", False, True, False),
        ("decoding.temperature=0.5", False, False, True),
        ("eval.schema.limit_seconds=1", False, False, False),
    ],
)
def test_what_enters_which_key(override: str, experiment: bool, perplexity: bool, schema: bool, world: World) -> None:
    overrides = ["tracker=wandb"] if override.startswith("tracker") else []
    before, after = world.lab(), world.lab(*overrides, override)
    assert (after.artifact.key != before.artifact.key) == experiment
    assert (after.measures["perplexity"] != before.measures["perplexity"]) == perplexity
    assert (after.measures["schema"] != before.measures["schema"]) == schema


# Again, and not at all


def test_fresh_training_is_put_beside_and_its_scores_are_made_again(own: World) -> None:
    lab = own.lab("method=qlora")
    place = lab.artifact.place
    old = (place / "adapter" / "adapter_model.safetensors").read_bytes()
    (place / "adapter" / "mark").touch()
    base = lab.evaluation_folder("perplexity", lab.base) / "done.json"
    tuned = lab.evaluation_folder("perplexity", lab.artifact) / "done.json"
    before = base.stat().st_mtime_ns, tuned.stat().st_mtime_ns
    own.run("method=qlora", "fresh=[train]")
    assert (place.with_name(f"{place.name}.1") / "adapter" / "mark").exists()
    assert not (place / "adapter" / "mark").exists()
    assert (place / "adapter" / "adapter_model.safetensors").read_bytes() == old  # the same seed, the same bytes
    assert base.stat().st_mtime_ns == before[0], "the base did not change"
    assert tuned.stat().st_mtime_ns != before[1], "the scores would be those of an adapter that is no longer there"
    assert len(list(own.outputs.glob("evals/*/*.1/done.json"))) == 2
    assert len(list(own.outputs.glob("answers/*/*.1/done.json"))) == 1
    assert len(list(own.outputs.glob("data/*/done.json"))) == 1


def test_fresh_evaluations_leave_the_training_alone(own: World) -> None:
    place = own.lab("method=qlora").artifact.place
    before = (place / "done.json").stat().st_mtime_ns
    own.run("method=qlora", "fresh=[eval]")
    assert (place / "done.json").stat().st_mtime_ns == before
    aside = list(own.outputs.glob("evals/*/*.1/done.json"))
    assert len(aside) == 4  # two evaluators, base and tuned


@pytest.mark.parametrize("fresh", ["fresh=[]", "fresh=[prepare,train,answer,eval]"])
def test_dry_makes_nothing(fresh: str, own: World, caplog: Any) -> None:
    before = own.tree()
    with caplog.at_level("INFO", logger="finetune_lab"):
        own.run("method=qlora", "dry=true", fresh)
        own.run("method=lora", "seed=7", "dry=true", fresh)
    assert own.tree() == before
    assert own.loads == []
    assert "to make" in caplog.text
    assert ("again" if "prepare" in fresh else "kept") in caplog.text


def test_dry_on_nothing_leaves_nothing(world: World, tmp_path: Path) -> None:
    empty = World(tmp_path / "nowhere", world.compose, world.engine)
    empty.run("dry=true")
    assert not empty.outputs.exists()


def test_dry_does_not_prepare_data_of_an_evaluators_own(own: World, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("one\n\ntwo\n\nthree")
    source = (
        "{_target_:finetune_lab.data.text.Text,separator:null,filters:{},split:{train:0,validation:0,test:1,seed:0}"
    )
    before = own.tree()
    own.run("dry=true", f"eval.perplexity.rows.data={source},path:'{other}'}}")
    assert own.tree() == before


def test_a_training_that_fails_is_shown_and_goes_on_when_the_reason_is_gone(own: World, monkeypatch: Any) -> None:
    from finetune_lab.objective.sft import Sft

    with monkeypatch.context() as patch:
        patch.setattr(Sft, "encode", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            own.run("method=lora", "seed=3")
    lab = own.lab("method=lora", "seed=3")
    assert read_note(lab.artifact.place) is None
    assert "ZeroDivisionError" in (lab.artifact.place / "failed.json").read_text()
    own.run("method=lora", "seed=3")
    assert read_note(lab.artifact.place) is not None
    assert not (lab.artifact.place / "failed.json").exists()
