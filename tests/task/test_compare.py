"""task=compare over a store that is a plain object: pairing, merging of seeds, what is left out, what is printed."""

import csv
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from finetune_lab.errors import ConfigError, LabError
from finetune_lab.records import Statistic
from finetune_lab.task.compare import Compare

ROOT = Path(__file__).resolve().parents[2]
MEAN = Statistic(kind="mean", of="passed")
PERPLEXITY = Statistic(kind="ratio", of="nats", per="tokens", transform="exp")
NUM = 60


@dataclass
class FakeStore:
    """Holds what it is given and answers as the store does."""

    rows: list[Any] = field(default_factory=list)
    scored: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    arrays: dict[tuple[str, str], Any] = field(default_factory=dict)
    all_runs: list[Any] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)

    def members(self, group: str) -> list[Any]:
        return self.rows

    def runs(self, group: str | None = None) -> list[Any]:
        return self.all_runs

    def scores(self, subjects: list[str], measures: list[str] | None = None) -> list[Any]:
        return [score for (subject, _), scores in self.scored.items() if subject in subjects for score in scores]

    def columns(self, subject: str, measure: str) -> Any:
        return self.arrays[subject, measure]

    def index_report(self, path: Path) -> bool:
        return True

    def evaluations(self, subject: str) -> list[Any]:
        return []

    def timed_curve(self, run: str, name: str) -> list[Any]:
        return self.curves[run]

    def join(self, run: str, label: str, config: dict[str, Any], measures: dict[str, str], base: str = "b0") -> None:
        member = SimpleNamespace(run=run, base=base, label=label, model="tiny", config=config, measures=measures)
        self.rows.append(member)

    def add(self, subject: str, evaluator: str, measure: str, columns: dict[str, Any], *statistics: Any) -> None:
        names = tuple(f"s{number}" for number in range(len(next(iter(columns.values())))))
        arrays = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
        self.arrays[subject, measure] = SimpleNamespace(samples=names, clusters=names, columns=arrays)
        self.scored[subject, measure] = [
            SimpleNamespace(
                subject=subject,
                measure=measure,
                evaluator=evaluator,
                name=name,
                value=0.0,
                higher_is_better=up,
                unit=unit,
                statistic=statistic,
                reference=None,
            )
            for name, statistic, up, unit in statistics
        ]


def add_both(store: FakeStore, subject: str, rate: float, nats: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    store.add(subject, "schema", "m-schema", {"passed": draw.random(NUM) < rate}, ("valid", MEAN, True, ""))
    tokens = np.random.default_rng(99).integers(5, 40, NUM)
    noise = 1 + 0.1 * np.random.default_rng(98).normal(size=NUM) + 0.02 * draw.normal(size=NUM)
    columns = {"nats": nats * tokens * noise, "tokens": tokens}
    store.add(subject, "perplexity", "m-ppl", columns, ("perplexity", PERPLEXITY, False, ""))


MEASURES = {"schema": "m-schema", "perplexity": "m-ppl"}


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore()
    add_both(store, "b0", 0.1, 2.0, 0)
    for seed in range(3):
        add_both(store, f"q{seed}", 0.6, 1.5, 10 + seed)
        store.join(f"q{seed}", "qlora", {"method": {"rank": 8}, "seed": seed, "group": "g"}, MEASURES)
    add_both(store, "g0", 0.65, 1.5, 20)
    store.join("g0", "grit", {"method": {"rank": 8, "lam": 1.0}, "seed": 0, "group": "g"}, MEASURES)
    return store


def run(store: FakeStore, tmp_path: Path, **changes: Any) -> dict[str, Any]:
    values = {"confidence": 0.95, "resamples": 999, "seed": 0, "reference": None, "primary": (), "format": "table"}
    values |= {"ranking": (), "quality": None, "target_loss": None, "gate": False, "track": False}
    lab = SimpleNamespace(store=store, group="g", outputs=tmp_path, rules=changes.pop("rules", None))
    Compare(**(values | changes)).execute(lab)  # type: ignore[arg-type]
    return json.loads((tmp_path / "reports" / "g" / "comparison.json").read_text())


def found(report: dict[str, Any], reference: str, candidate: str, name: str) -> dict[str, Any]:
    [one] = [
        row
        for row in report["differences"]
        if (row["reference_label"], row["candidate_label"], row["name"]) == (reference, candidate, name)
    ]
    return one


def test_seeds_of_one_config_are_one_arm(store, tmp_path):
    report = run(store, tmp_path)
    assert {(d["reference_label"], d["candidate_label"]) for d in report["differences"]} == {
        ("base", "qlora"), ("base", "grit"), ("qlora", "grit"),
    }  # fmt: skip
    assert found(report, "base", "qlora", "valid")["num_seeds"] == 3
    assert found(report, "base", "grit", "valid")["num_seeds"] == 1
    assert found(report, "qlora", "grit", "valid")["num_reference_seeds"] == 3


def test_verdicts_follow_the_direction_of_the_metric(store, tmp_path):
    report = run(store, tmp_path)
    assert found(report, "base", "grit", "valid")["verdict"] == "better"
    lower = found(report, "base", "grit", "perplexity")
    assert lower["difference"] < 0
    assert lower["verdict"] == "better"
    store_up = FakeStore()
    add_both(store_up, "b0", 0.7, 1.5, 0)
    add_both(store_up, "x", 0.1, 2.0, 1)
    store_up.join("x", "bad", {"seed": 0}, MEASURES)
    worse = run(store_up, tmp_path)
    assert {row["verdict"] for row in worse["differences"]} == {"worse"}


def test_the_same_run_is_the_same(store, tmp_path):
    add_both(store, "copy", 0.65, 1.5, 20)
    store.join("copy", "again", {"method": {"rank": 9}, "seed": 0}, MEASURES)
    row = found(run(store, tmp_path), "grit", "again", "valid")
    assert row["difference"] == 0
    assert row["verdict"] == "same"
    assert row["detectable"] > 0
    assert any("no difference shown" in caveat for caveat in row["caveats"])


def test_arms_of_one_label_show_in_what_they_differ(store, tmp_path):
    add_both(store, "q16", 0.6, 1.5, 30)
    store.join("q16", "qlora", {"method": {"rank": 16}, "seed": 0, "group": "g"}, MEASURES)
    labels = {row["candidate_label"] for row in run(store, tmp_path)["differences"]}
    assert {"qlora rank=8", "qlora rank=16", "grit"} <= labels


def test_a_named_reference_is_compared_with_the_others(store, tmp_path):
    report = run(store, tmp_path, reference="grit")
    pairs = {(d["reference_label"], d["candidate_label"]) for d in report["differences"]}
    assert pairs == {("base", "qlora"), ("base", "grit"), ("grit", "qlora")}
    with pytest.raises(ConfigError, match="it has qlora, grit"):
        run(store, tmp_path, reference="lora")


def test_what_is_left_out_is_said(store, tmp_path, capsys):
    add_both(store, "o", 0.5, 1.5, 40)
    store.scored["o", "m-other"] = [
        SimpleNamespace(**{**vars(s), "measure": "m-other"}) for s in store.scored.pop(("o", "m-schema"))
    ]
    store.join("o", "other", {"seed": 0}, {"schema": "m-other"})
    store.all_runs = [
        SimpleNamespace(key="f", label="dora", status="failed", error="out of memory", config={"group": "g"}),
        SimpleNamespace(key="e", label="else", status="failed", error="", config={"group": "another"}),
    ]
    left_out = run(store, tmp_path)["left_out"]
    assert "other: perplexity has not scored it" in left_out
    assert any("schema: other rows or settings" in line and "m-other" in line for line in left_out)
    assert "dora, run f: failed (out of memory)" in left_out
    assert not any("else" in line for line in left_out)
    assert "out of memory" in capsys.readouterr().out


def test_a_score_without_columns_is_left_out(store, tmp_path):
    del store.arrays["g0", "m-schema"].columns["passed"]
    report = run(store, tmp_path)
    assert "schema/valid: not every run of base and grit has it sample by sample" in report["left_out"]
    assert {row["candidate_label"] for row in report["differences"] if row["name"] == "valid"} == {"qlora"}


def test_unscored_samples_are_dropped_and_counted(store, tmp_path):
    store.arrays["g0", "m-schema"].columns["passed"][:7] = np.nan
    row = found(run(store, tmp_path), "base", "grit", "valid")
    assert (row["num_pairs"], row["num_dropped"]) == (NUM - 7, 7)
    assert any("7 of 60 samples are left out" in caveat for caveat in row["caveats"])


def test_primary_metrics_are_adjusted_by_holm_and_the_rest_apart(store, tmp_path):
    report = run(store, tmp_path, primary=("schema/valid",))
    assert found(report, "base", "grit", "valid")["adjustment"] == "Holm over 3"
    assert found(report, "base", "grit", "perplexity")["adjustment"] == "Benjamini–Hochberg over 3"
    with pytest.raises(ConfigError, match="known: schema/valid, perplexity/perplexity"):
        run(store, tmp_path, primary=("valid",))


def test_the_table_fits_80_columns_and_shows_labels_as_they_are(store, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    add_both(store, "x", 0.6, 1.5, 50)
    store.join("x", "[red]rich[/red]\x1b[2J" + "long" * 30, {"method": {"rank": 3}, "seed": 0}, MEASURES)
    run(store, tmp_path)
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 80
    assert "\x1b[2J" not in shown
    assert "[red]rich" in shown
    assert "perplexity ↓" in shown
    assert "95 % interval" in shown
    assert "one seed: the interval covers items only" in shown
    assert "Newcombe" in shown


def test_files_hold_every_difference(store, tmp_path):
    report = run(store, tmp_path)
    with (tmp_path / "reports" / "g" / "comparison.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(report["differences"]) == 6
    for row, one in zip(rows, report["differences"], strict=True):
        assert row["verdict"] == one["verdict"]
        assert float(row["low"]) == one["low"]
        assert row["effect_name"] == one["effects"][0]["name"]


@pytest.mark.parametrize("style", ["json", "csv"])
def test_other_formats_print_the_file(store, tmp_path, capsys, style):
    run(store, tmp_path, format=style)
    assert capsys.readouterr().out == (tmp_path / "reports" / "g" / f"comparison.{style}").read_text()


def test_the_same_seed_gives_the_same_numbers(store, tmp_path):
    one, two, other = (run(store, tmp_path, seed=seed)["differences"] for seed in (0, 0, 1))
    assert one == two
    assert one != other


def test_an_empty_group_says_what_to_do(tmp_path):
    with pytest.raises(LabError, match="task=run group=g first"):
        run(FakeStore(), tmp_path)


def test_two_hundred_members_are_quick(tmp_path, capsys):
    store = FakeStore()
    add_both(store, "b0", 0.1, 2.0, 0)
    for number in range(200):
        add_both(store, f"r{number}", 0.5, 1.5, number)
        store.join(f"r{number}", "sweep", {"method": {"rate": number}, "seed": 0}, MEASURES)
    started = time.process_time()  # others may be busy
    report = run(store, tmp_path, resamples=9999)
    assert time.process_time() - started < 10
    assert len(report["differences"]) == 400
    assert any("200 arms with one another" in line for line in report["left_out"])


def test_it_imports_nothing_heavy():
    code = "import sys, finetune_lab.task.compare; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "transformers", "scipy", "scipy.stats", "wandb"} & set(loaded)
