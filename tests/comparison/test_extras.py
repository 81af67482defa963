"""What stands beside the differences: tallies, composite score, fronts, trainings and the effect of knobs."""

from types import SimpleNamespace

import numpy as np
import pytest

from finetune_lab.comparison.contenders import Contender
from finetune_lab.comparison.knobs import MOST_VALUES, knobs
from finetune_lab.comparison.outcomes import tallies
from finetune_lab.comparison.ranking import Term, fronts, ranking
from finetune_lab.comparison.report import write_parquet
from finetune_lab.comparison.standing import Metric, Standing
from finetune_lab.comparison.training import compare_trainings
from finetune_lab.errors import ConfigError
from finetune_lab.maths.compare import Arm, Question, SampleColumns
from finetune_lab.records import Statistic


def question(reference, candidate, *, up=True, per=None):
    def arm(label, seeds):
        samples = tuple("abcdef"[: len(seeds[0])])
        columns = [
            {"x": np.array(seed, dtype=float)} | ({"n": np.array(per, dtype=float)} if per else {}) for seed in seeds
        ]
        return Arm(label=label, seeds=tuple(SampleColumns.of(samples, samples, one) for one in columns))

    statistic = Statistic(kind="ratio" if per else "mean", of="x", per="n" if per else None)
    sides = {"reference": arm("base", reference), "candidate": arm("grit", candidate)}
    return Question(name="m", evaluator="e", statistic=statistic, higher_is_better=up, **sides)


def counted(found):
    return found.num_wins, found.num_losses, found.num_ties


def test_wins_losses_and_ties_follow_the_direction():
    up, down = (question([[0, 1, 1, 0.5]], [[1, 0, 1, 0.7]], up=way) for way in (True, False))
    assert [counted(one) for one in tallies([up, down])] == [(2, 1, 1), (1, 2, 1)]


def test_a_tally_takes_the_mean_over_seeds():
    one = question([[0.3, 0.3, 0.3]], [[0.1, 0.3, 0.6], [0.2, 0.3, 0.6], [0.6, 0.3, 0.0]])
    assert counted(tallies([one])[0]) == (1, 0, 2)  # 0.9/3 is level with 0.3, to the last digits


def test_a_sample_without_denominator_counts_for_nobody():
    assert counted(tallies([question([[1, 1]], [[2, 2]], per=[1, 0])])[0]) == (1, 0, 0)


def standing(label, trained=True, **metrics):
    ready = {
        name.replace("_", "/", 1): Metric(value=value, higher_is_better=not name.startswith(("loss", "training")))
        for name, value in metrics.items()
    }
    return Standing(label=label, trained=trained, metrics=ready)


TERMS = (
    Term(metric="chat/engagement", weight=0.4, direction="higher"),
    Term(metric="judge/win", weight=0.3, direction="higher"),
    Term(metric="loss/eval", weight=0.3, direction="lower"),
)


def test_the_known_composite_score():
    arms = [
        standing("a", chat_engagement=0.8, judge_win=0.6, loss_eval=0.5),
        standing("b", chat_engagement=0.5, judge_win=0.9, loss_eval=0.1),
        standing("c", chat_engagement=0.9, judge_win=None, loss_eval=0.1),
    ]
    found = ranking(arms, TERMS)
    assert [(one.rank, one.label) for one in found] == [(1, "b"), (2, "a"), (None, "c")]
    assert found[0].score == pytest.approx(0.4 * 0.5 + 0.3 * 0.9 + 0.3 * (1 - 0.1))
    assert found[1].score == pytest.approx(0.4 * 0.8 + 0.3 * 0.6 + 0.3 * (1 - 0.5))
    assert sum(found[1].parts.values()) == pytest.approx(found[1].score)


def test_directions_are_never_mixed_silently():
    arms = [standing("a", chat_engagement=0.8, loss_eval=0.5)]
    with pytest.raises(ConfigError, match=r"loss/eval is better when lower, got direction: higher"):
        ranking(arms, [Term(metric="loss/eval", weight=1, direction="higher")])
    with pytest.raises(ConfigError, match=r"chat/engagement is better when higher, got direction: lower"):
        ranking(arms, [Term(metric="chat/engagement", weight=1, direction="lower")])
    with pytest.raises(ConfigError, match="nothing is scored as judge/win; known: chat/engagement, loss/eval"):
        ranking(arms, TERMS)


def test_equal_scores_share_a_rank():
    arms = [standing(label, judge_win=value) for label, value in (("a", 0.5), ("b", 0.7), ("c", 0.7))]
    found = ranking(arms, [Term(metric="judge/win", weight=1, direction="higher")])
    assert [(one.rank, one.label) for one in found] == [(1, "b"), (1, "c"), (3, "a")]


def test_the_front_holds_whom_nobody_beats():
    arms = [
        standing("cheap", judge_win=0.5, training_wall_seconds=10.0, training_peak_bytes=9.0),
        standing("good", judge_win=0.9, training_wall_seconds=50.0, training_peak_bytes=9.0),
        standing("bad", judge_win=0.4, training_wall_seconds=20.0, training_peak_bytes=9.0),
        standing("small", judge_win=0.4, training_wall_seconds=20.0, training_peak_bytes=1.0),
        standing("silent", judge_win=None, training_wall_seconds=1.0, training_peak_bytes=1.0),
        standing("base", trained=False, judge_win=1.0),
    ]
    by_cost = {one.costs: one for one in fronts(arms, "judge/win")}
    assert by_cost["training/wall_seconds",].labels == ("cheap", "good")
    assert by_cost["training/peak_bytes",].labels == ("good", "small")
    assert by_cost["training/wall_seconds", "training/peak_bytes"].labels == ("cheap", "good", "small")
    assert by_cost["training/peak_bytes",].unknown == ("silent",)


def arm(label, *runs, **config):
    values = {name.replace("_", "."): str(value) for name, value in config.items()}
    return Contender(
        label=label, base="b", runs=runs, trained=True, config=values, measures={"e": dict.fromkeys(runs, "m")}
    )


def row(key, segments=1, **report):
    values = {"num_steps": 30, "wall_seconds": 60.0, "num_input_tokens": 1200, "num_segments": segments} | report
    return SimpleNamespace(key=key, started="2025-01-01T00:00:00+00:00", report=values)


def test_trainings_are_timed_to_one_loss():
    start = 1735689600.0
    curves = {
        "a0": [(10, 2.0, start + 5), (20, 1.0, start + 12), (30, 0.5, start + 20)],
        "a1": [(10, 2.5, start + 6), (20, 1.4, start + 13), (30, 0.9, start + 22)],
        "b0": [(10, 3.0, start + 50), (20, 0.95, start + 5000), (30, 0.99, start + 6000)],
    }
    store = SimpleNamespace(timed_curve=lambda run, name: curves[run])
    runs = {
        key: row(key, segments=2 if key == "b0" else 1, best_validation_loss=min(p[1] for p in curves[key]))
        for key in curves
    }
    one, two = compare_trainings(store, [arm("a", "a0", "a1"), arm("b", "b0")], runs, None)
    assert one.target_loss == two.target_loss == 0.95  # the worst of the best
    assert (one.num_reached, one.steps_to_target, one.seconds_to_target) == (2, 30, 21)
    assert (one.tokens_to_target, two.tokens_to_target) == (1200, 800)
    assert (two.steps_to_target, two.seconds_to_target) == (20, pytest.approx(40))  # resumed: its clock is no measure
    assert one.tokens_per_second == pytest.approx(20)
    assert one.best_validation_loss == pytest.approx(0.7)
    assert one.loss_deviation == pytest.approx(np.std([0.5, 0.9], ddof=1))
    assert one.loss_low < 0.7 < one.loss_high
    assert two.loss_low is None
    hard, _ = compare_trainings(store, [arm("a", "a0", "a1"), arm("b", "b0")], runs, 0.6)
    assert (hard.num_reached, hard.steps_to_target) == (1, 30)


def test_a_knob_is_the_only_thing_that_differs():
    arms = [
        arm("1", "r1", rate=0.1, rank=8),
        arm("2", "r2", rate=0.01, rank=8),
        arm("3", "r3", rate=0.1, rank=16),
        arm("4", "r4", rate=0.01, rank=16),
        arm("5", "r5", rate=1, rank=8),
    ]
    found, left_out = knobs(arms)
    told = {
        (knob.path, knob.reference.label, knob.candidate.label): (knob.reference.runs, knob.candidate.runs)
        for knob in found
    }
    assert told == {
        ("rate", "rate=0.01", "rate=0.1"): (("r2", "r4"), ("r1", "r3")),
        ("rate", "rate=0.01", "rate=1"): (("r2",), ("r5",)),
        ("rank", "rank=8", "rank=16"): (("r1", "r2"), ("r3", "r4")),
    }
    assert left_out == []


def test_knobs_that_move_together_have_no_effect_of_their_own():
    assert knobs([arm("1", "r1", rate=0.1, rank=8), arm("2", "r2", rate=0.01, rank=16)]) == ([], [])


def test_a_search_is_no_sweep():
    found, [line] = knobs([arm(str(n), f"r{n}", rate=n) for n in range(MOST_VALUES + 1)])
    assert found == []
    assert "rate: 9 values are a search" in line


def test_parquet_keeps_numbers_and_gaps(tmp_path):
    from pyarrow import parquet

    rows = [{"a": 1, "b": None, "c": "x", "d": None}, {"a": 2.5, "b": True, "c": None, "d": None}]
    write_parquet(tmp_path / "t.parquet", rows, columns=("d", "e"))
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table.column_names == ["d", "e", "a", "b", "c"]
    assert table.to_pydict() == {
        "d": [None, None],
        "e": [None, None],
        "a": [1.0, 2.5],
        "b": [None, True],
        "c": ["x", None],
    }
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
