"""Any metric of `evaluate`: a folder's code by row and over all, what cannot be cast, no code that nobody trusts."""

import pytest

from finetune_lab.errors import ConfigError, WorldError

pytest.importorskip("evaluate")

OWN = """
import datasets
import evaluate


class Near(evaluate.Metric):
    def _info(self):
        kind = datasets.Value("{kind}")
        features = datasets.Features({{"predictions": kind, "references": kind}})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references, base=0):
        pairs = list(zip(predictions, references))
        return {{"score": {formula}, "num": len(pairs), "name": "near"}}
"""
LENGTHS = "base + sum(abs(len(p) - len(r)) for p, r in pairs) / len(pairs)"
RATIO = "sum(p for p, _ in pairs) / sum(r for _, r in pairs)"


@pytest.fixture
def metric(lab, tmp_path, monkeypatch):
    def make(*overrides, kind="string", formula=LENGTHS, name="near"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(OWN.format(kind=kind, formula=formula))
        own = [f"eval.metric.module={folder}", "eval.metric.lower_is_better=[score]"]
        return lab("eval=[metric]", *own, *overrides).evaluators["metric"]

    return make


def test_a_folder_of_ones_own_row_by_row(metric, answered, row):
    rows = [row("a", "abc"), row("b", "a"), row("c")]
    found = metric("+eval.metric.arguments.base=1").evaluate(answered(rows, ["a", "a", "a"]))
    assert found.columns["score"] == [3.0, 1.0, None]
    (score,) = found.scores
    assert (score.value, score.higher_is_better, score.statistic.kind) == (2.0, False, "mean")
    assert found.counts["unscored"] == 1


def test_over_all_rows_with_each_left_out(metric, answered, row):
    made = metric("eval.metric.level=corpus", "eval.metric.cast=int", kind="int64", formula=RATIO, name="ratio")
    rows = [row("a", "2"), row("b", "4"), row("c", "4"), row("d", "1")]
    found = made.evaluate(answered(rows, ["1", "2", " 7\n", "none"]))
    (score,) = found.scores
    assert score.value == pytest.approx(10 / 10)
    assert score.statistic.kind == "jackknife"
    assert found.columns["score"] == [pytest.approx(9 / 8), pytest.approx(8 / 6), pytest.approx(3 / 6), None]


def test_nothing_that_can_be_scored_is_unknown(metric, answered, row):
    for level in ("row", "corpus"):
        found = metric(f"eval.metric.level={level}").evaluate(answered([row("a")], ["x"]))
        assert found.scores[0].value is None


def test_a_result_that_it_does_not_give_is_named(metric, answered, row):
    made = metric("eval.metric.higher_is_better=[name]", name="other")
    with pytest.raises(ConfigError, match="gives no number 'name'; it gives: score, num"):
        made.evaluate(answered([row("a", "b")], ["b"]))


def test_code_from_the_hub_runs_only_if_it_is_named(lab):
    named = ["eval=[metric]", "eval.metric.module=exact_match", "eval.metric.higher_is_better=[exact_match]"]
    made = lab(*named)
    with pytest.raises(ConfigError, match=r"eval.metric.trusted=\[exact_match\]"):
        made.evaluators["metric"].check()
    trusted = [*named, "eval.metric.trusted=[exact_match]"]
    lab(*trusted).evaluators["metric"].check()


def test_a_folder_without_code_is_told(lab, tmp_path):
    made = lab("eval=[metric]", f"eval.metric.module={tmp_path}", "eval.metric.lower_is_better=[x]")
    with pytest.raises(WorldError, match="holds no metric"):
        made.evaluators["metric"].check()


def test_a_package_that_it_needs_is_told_before_anything_is_answered(metric, row, tmp_path):
    class Unasked:
        def __getattr__(self, name):
            raise AssertionError(name)

    evaluator = metric()
    code = tmp_path / "near" / "near.py"
    code.write_text("import no_such_package_anywhere\n" + code.read_text())
    with pytest.raises(WorldError, match=r"eval\.metric\.module.*no_such_package_anywhere"):
        evaluator.evaluate(Unasked())


def test_its_identity_is_the_code_and_not_its_place(metric, tmp_path):
    one = metric(name="near").identity()
    (tmp_path / "deeper").mkdir()
    (tmp_path / "near").rename(tmp_path / "deeper" / "near")
    other = metric(name="near").identity()
    assert one == other
    assert metric(name="near", formula=RATIO).identity() != one
