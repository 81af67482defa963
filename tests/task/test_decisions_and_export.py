"""compare with rules over a real store: declared or not, gate, tables of the store, export."""

import csv
import json
from types import SimpleNamespace

import pytest
from pyarrow import parquet

from finetune_lab.comparison.declaring import declare
from finetune_lab.errors import ConfigError, LabError
from finetune_lab.records import Score, Statistic
from finetune_lab.rules.baseline import Baseline
from finetune_lab.rules.pairwise import Pairwise
from finetune_lab.store.store import Store
from finetune_lab.task.compare import Compare
from finetune_lab.task.export_results import ExportResults

PRIMARY = ("perplexity/passed",)
NUM = 40
VALUES = {"confidence": 0.95, "resamples": 199, "seed": 0, "reference": None, "primary": (), "format": "table"}
VALUES |= {"ranking": (), "quality": "perplexity/passed", "target_loss": None, "gate": False, "track": False}


def rules(limit=0.05, failing=("failure",)):
    when = (({"metric": "p_value", "operator": "<", "limit": limit}, {"metric": "gain", "operator": ">", "limit": 0}),)
    outcomes = ({"name": "success", "when": when},)
    return Pairwise(primary=PRIMARY, outcomes=outcomes, otherwise="failure", failing=failing, every_pair=False)


def evaluation(outputs, passed):
    score = Score(name="passed", value=passed / NUM, higher_is_better=True, statistic=Statistic(kind="mean", of="ok"))
    samples = tuple(f"s{number}" for number in range(NUM))
    columns = {"ok": [float(number < passed) for number in range(NUM)]}
    return outputs.found(samples=samples, clusters=samples, columns=columns, scores=(score,))


@pytest.fixture
def lab(outputs):
    """A base that passes 10 of 40, and two seeds of an arm that pass 30 and 32."""
    report = {"num_steps": 2, "wall_seconds": 10.0, "best_validation_loss": 2.25, "adapter_bytes": 5, "num_segments": 1}
    for number, (key, passed) in enumerate((("aaa111", 30), ("bbb111", 32))):
        folder = outputs.run(key, seed=number, config={"seed": number, "method": {"rank": 8}})
        note = json.loads((folder / "done.json").read_text())
        outputs.note(folder, **note | {"report": report})
        outputs.member(key)
        outputs.evaluation(key, found=evaluation(outputs, passed))
    outputs.evaluation("base-b", found=evaluation(outputs, 10))
    store = Store(outputs.root / "lab.sqlite")
    store.reindex(outputs.root)
    yield SimpleNamespace(store=store, outputs=outputs.root, group="study", rules=rules())
    store.close()


def compared(lab, **changes):
    Compare(**VALUES | changes).execute(lab)
    return json.loads((lab.outputs / "reports" / lab.group / "comparison.json").read_text())


def test_a_decision_is_printed_with_its_conditions(lab, capsys):
    [decision] = compared(lab)["decisions"]
    shown = capsys.readouterr().out
    assert decision["outcome"] == "success"
    assert "decision  base → grit, perplexity/passed: success" in shown
    assert "success, way 1: p_value < 0.05: " in shown
    assert "NOT declared" in " ".join(shown.split())
    assert decision["beforehand"] is False


def test_a_declaration_is_kept_with_its_time(lab, capsys):
    path = declare(lab.outputs, "study", lab.rules)
    first = json.loads(path.read_text())
    assert first["primary"] == ["perplexity/passed"]
    path.write_text(json.dumps(first | {"declared": "2024-12-31T00:00:00+00:00"}))
    assert declare(lab.outputs, "study", lab.rules) == path
    [decision] = compared(lab)["decisions"]
    assert decision["beforehand"] is True
    assert (
        "declared 2024-12-31T00:00:00+00:00, before the first result (2025-01-01T10:00:00+00:00)"
        in decision["declaration"]
    )
    path.write_text(json.dumps(first))
    assert "only AFTER" in compared(lab)["decisions"][0]["declaration"]
    lab.rules = rules(limit=0.2)
    declaration = compared(lab)["decisions"][0]["declaration"]
    assert "NOT declared" in declaration
    assert path.stem in declaration


def test_a_declaration_is_no_member(lab):
    declare(lab.outputs, "study", lab.rules)
    assert lab.store.reindex(lab.outputs).problems == ()
    assert len(lab.store.members("study")) == 2


def test_a_tracker_gets_one_run_of_the_group_with_tables_charts_and_text(lab, recorder):
    lab.tracker = recorder
    compared(lab, track=True)
    compared(lab, track=True)
    sessions = [call[1] for call in recorder.calls if call[0] == "session"]
    assert sessions[0].key == sessions[1].key
    assert (sessions[0].job, sessions[0].group) == ("comparison", "study")
    tables = {call[1] for call in recorder.calls if call[0] == "table"}
    assert {"comparison", "tallies", "trainings", "decisions"} <= tables
    [chart, _] = [call for call in recorder.calls if call[0] == "chart"]
    assert chart[1:] == (
        "difference of perplexity/passed",
        ("pair", "difference"),
        [["base → grit", pytest.approx(0.525)]],
    )
    [page, _] = [call for call in recorder.calls if call[0] == "page"]
    assert any("decision: base → grit, perplexity/passed: success" in line for line in page[2])
    [figures, _] = [call[1] for call in recorder.calls if call[0] == "summarise"]
    assert figures["difference/base → grit/perplexity/passed"] == pytest.approx(0.525)


def test_the_gate(lab, capsys):
    compared(lab, gate=True)
    lab.rules = rules(limit=1e-30)
    with pytest.raises(LabError, match=r"gate: base → grit, perplexity/passed: failure"):
        compared(lab, gate=True)
    assert compared(lab)["decisions"][0]["outcome"] == "failure"  # written also where the gate is shut
    lab.rules = None
    with pytest.raises(ConfigError, match="no rules to decide by"):
        compared(lab, gate=True)


def test_primary_metrics_are_those_of_the_rules(lab, capsys):
    assert compared(lab)["differences"][0]["adjustment"] == "Holm over 1"


def test_rules_on_the_base_need_no_trained_member(lab, outputs, capsys):
    for path in (outputs.root / "groups" / "study").glob("*.json"):
        path.unlink()
    outputs.member("base-b", label="base")
    lab.store.reindex(outputs.root)
    when = (({"metric": "base", "operator": ">=", "limit": 0.4},),)
    outcomes = ({"name": "worthwhile", "when": when},)
    lab.rules = Baseline(primary=PRIMARY, arms={}, outcomes=outcomes, otherwise="viable?", failing=(), over="each")
    [decision] = compared(lab)["decisions"]
    assert (decision["outcome"], decision["facts"]) == ("viable?", {"base": 0.25})
    lab.rules = rules()
    with pytest.raises(LabError, match="say nothing of bases alone"):
        compared(lab)
    lab.rules = None
    with pytest.raises(LabError, match="no trained member yet"):
        compared(lab)


def test_every_section_has_its_files(lab, capsys):
    report = compared(lab, ranking=({"metric": "perplexity/passed", "weight": 1, "direction": "higher"},))
    folder = lab.outputs / "reports" / "study"
    for name in ("comparison", "tallies", "ranking", "fronts", "trainings", "decisions"):
        rows = list(csv.DictReader((folder / f"{name}.csv").open()))
        table = parquet.read_table(folder / f"{name}.parquet")
        assert len(rows) == table.num_rows > 0
        assert table.column_names == list(rows[0])
    assert not (folder / "knobs.csv").exists()
    assert [one["label"] for one in report["ranking"]] == ["grit", "base"]
    assert report["terms"][0]["weight"] == 1
    assert report["tallies"][0]["num_losses"] == 0
    compared(lab)
    assert not (folder / "ranking.csv").exists()


def test_the_store_holds_the_newest_comparison_and_finds_it_again(lab, capsys):
    compared(lab)

    def asked():
        with lab.store._database.reading() as connection:
            tests = connection.execute("select candidate, metric, verdict from statistical_tests").fetchall()
            said = connection.execute("select outcome, declared_beforehand from recommendations").fetchall()
            parts = connection.execute("select distinct section from comparative_analysis order by 1").fetchall()
        return tests, said, parts

    found = asked()
    assert found == (
        [("grit", "passed", "better")],
        [("success", 0)],
        [("arms",), ("fronts",), ("tallies",), ("trainings",)],
    )
    lab.store.path.unlink()
    assert lab.store.reindex(lab.outputs).counts["reports"] == 1
    assert asked() == found


def test_every_view_can_be_asked(lab, outputs):
    outputs.dataset()
    outputs.answers("aaa111")
    lab.store.reindex(outputs.root)
    with lab.store._database.reading() as connection:
        sizes = {
            name: connection.execute(f"select count(*) from {name}").fetchone()[0]
            for name in ("experiments", "training_metrics", "model_artifacts", "datasets", "behavioral_metrics")
        }
        summary = connection.execute("select subject, value, base_value from evaluation_summary order by 1").fetchall()
        said = connection.execute("select label, response from model_responses order by sample").fetchall()
    assert sizes == {
        "experiments": 2, "training_metrics": 8, "model_artifacts": 2, "datasets": 1, "behavioral_metrics": 3 * NUM,
    }  # fmt: skip
    assert summary == [("aaa111", 0.75, 0.25), ("base-b", 0.25, None), ("bbb111", 0.8, 0.25)]
    assert said == [("grit", "yes"), ("grit", "no")]


def test_export_holds_the_group_alone(lab, outputs, capsys):
    outputs.run("ccc111", group="other")
    outputs.member("ccc111", group="other")
    lab.store.reindex(outputs.root)
    compared(lab)
    ExportResults(empty=True).execute(lab)
    folder = lab.outputs / "reports" / "study" / "export"
    names = {path.stem for path in folder.glob("*.csv")}
    assert names == {path.stem for path in folder.glob("*.parquet")}
    assert {"experiments", "statistical_tests", "evaluation_summary", "run", "sample_scores"} <= names
    assert "indexed_folder" not in names
    runs = list(csv.DictReader((folder / "experiments.csv").open()))
    assert {row["run"] for row in runs} == {"aaa111", "bbb111"}
    assert parquet.read_table(folder / "sample_scores.parquet").num_rows == 3 * NUM
    lab.group = "none"
    with pytest.raises(LabError, match="no group 'none' in the store; there are: other, study"):
        ExportResults(empty=False).execute(lab)
