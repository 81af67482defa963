"""The rules that ship: their YAML as composed, on differences with known numbers."""

from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir

from finetune_lab.config import build
from finetune_lab.errors import ConfigError


def rules(root, name, *overrides):
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        return build(compose("config", overrides=[f"rules={name}", "rules.primary=[e/m]", *overrides]), "rules")


def difference(**changes):
    effect = SimpleNamespace(name="d_z", value=0.5, low=0.1, high=0.9)
    values = {"evaluator": "e", "name": "m", "higher_is_better": True, "reference": 0.5, "candidate": 0.65}
    values |= {"difference": 0.15, "low": 0.05, "high": 0.25, "p_value": 0.01, "p_adjusted": 0.02, "effects": (effect,)}
    values |= {"num_pairs": 60, "num_seeds": 1, "num_reference_seeds": 0, "verdict": "better"}
    values |= {"reference_label": "base", "candidate_label": "grit"}
    return SimpleNamespace(**(values | changes))


def outcome(found, *rows, scores=None):
    [case] = found.cases(rows, scores or {})
    return found.decide(case.facts).outcome


def test_success_asks_for_all_three(root):
    found = rules(root, "success")
    small = SimpleNamespace(name="d_z", value=0.3, low=0, high=1)
    assert outcome(found, difference()) == "success"
    assert outcome(found, difference(p_value=0.06)) == "marginal"
    assert outcome(found, difference(effects=(small,))) == "marginal"
    assert outcome(found, difference(p_value=0.5, difference=0.1, candidate=0.6)) == "marginal"
    assert outcome(found, difference(p_value=0.5, difference=0.02, candidate=0.52)) == "failure"


def test_a_significant_loss_is_a_failure(root):
    worse = SimpleNamespace(name="d_z", value=-0.5, low=-1, high=0)
    row = difference(difference=-0.2, candidate=0.3, low=-0.3, high=-0.1, effects=(worse,))
    assert outcome(rules(root, "success"), row) == "failure"


def test_lower_is_better_turns_gain_and_effect(root):
    down = SimpleNamespace(name="d_z (linearised)", value=-0.5, low=-1, high=0)
    row = difference(
        higher_is_better=False, reference=8.0, candidate=6.0, difference=-2.0, low=-3, high=-1, effects=(down,)
    )
    [case] = rules(root, "success").cases([row], {})
    assert case.facts["gain"] == 2
    assert (case.facts["gain_low"], case.facts["gain_high"]) == (1, 3)
    assert case.facts["improvement"] == pytest.approx(0.25)
    assert case.facts["d"] == pytest.approx(0.5)
    assert outcome(rules(root, "success"), row) == "success"


def test_pass_rates_take_cohens_h(root):
    rate = SimpleNamespace(name="risk difference", value=0.15, low=0, high=0.3)
    [case] = rules(root, "success").cases([difference(effects=(rate,))], {})
    assert case.facts["d"] == pytest.approx(0.3047, abs=1e-4)  # 2 asin √.65 − 2 asin √.5
    assert any("Cohen's h" in note for note in case.notes)


def test_a_reference_of_zero_has_no_percentage(root):
    row = difference(reference=0.0, candidate=0.3, difference=0.3)
    assert outcome(rules(root, "success"), row) == "undecided"


def test_trained_pairs_are_left_to_rules_that_ask_for_them(root):
    row = difference(num_reference_seeds=1, reference_label="qlora")
    assert rules(root, "success").cases([row], {}) == []
    assert outcome(rules(root, "selection"), row) == "select the candidate"


def test_selection_looks_at_the_other_metrics(root):
    found = rules(root, "selection")
    assert outcome(found, difference(), difference(name="other", verdict="worse")) == "better at a price"
    assert outcome(found, difference(low=-0.1)) == "no difference shown"
    assert outcome(found, difference(low=-0.3, high=-0.1)) == "keep the reference"


@pytest.mark.parametrize(
    ("base", "retrieval", "said"),
    [
        (0.7, 0.1, "do not fine-tune: the base does it as it is"),
        (0.8, None, "do not fine-tune: the base does it as it is"),
        (0.5, 0.7, "do not fine-tune: examples before the question do it"),
        (0.6, 0.5, "fine-tuning is worthwhile"),
        (0.3, 0.4, "fine-tuning is worthwhile"),
        (0.3, 0.2, "is the task viable at all? look at the answers before anything is spent"),
        (0.0, 0.0, "is the task viable at all? look at the answers before anything is spent"),
        (0.6, None, "undecided"),
    ],
)
@pytest.mark.parametrize(("name", "times"), [("phase0", 1), ("phase0_rating", 10)])
def test_phase_0(root, name, times, base, retrieval, said):
    known = {"base": base, "rag": retrieval}
    scores = {label: {"e/m": None if value is None else times * value} for label, value in known.items()}
    assert outcome(rules(root, name), scores=scores) == said


def test_phase_0_takes_the_best_of_several_bases_and_says_which(root):
    scores = {
        "base q enable_thinking=True": {"e/m": 0.2},
        "base q enable_thinking=False": {"e/m": 0.5},
        "rag q enable_thinking=True": {"e/m": 0.8},
        "rag q enable_thinking=False": {"e/m": None},
        "qlora q enable_thinking=True": {"e/m": 0.9},
    }
    [case] = rules(root, "phase0").cases([], scores)
    assert case.facts == {"base": 0.5, "retrieval": 0.8}
    assert case.notes == ("base is base q enable_thinking=False, the best of 2 on the rows that decide",)
    [less] = rules(root, "phase0").cases([difference(higher_is_better=False)], scores)
    assert less.facts["base"] == 0.2
    each = rules(root, "phase0", "rules.over=each").cases([], scores)
    assert [(one.facts["base"], one.facts["retrieval"]) for one in each] == [(0.2, 0.8), (0.5, None)]
    assert each[0].label == "base q enable_thinking=True, e/m"


def test_an_unknown_fact_is_named_when_the_rules_are_built(root):
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        config = compose("config", overrides=["rules=success"])
    config.rules.outcomes[0].when[0][0].metric = "pvalue"
    with pytest.raises(ConfigError, match="no fact is called pvalue; known: p_value"):
        build(config, "rules")
    config.rules.outcomes[0].when[0][0].operator = "≈"
    with pytest.raises(ConfigError, match="operator"):
        build(config, "rules")


@pytest.mark.parametrize("name", ["success", "selection", "phase0"])
def test_the_primary_metrics_that_ship_are_scored_by_the_evaluators_that_ship(root, name):
    from finetune_lab.eval.schema import _REACHED

    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        config = compose("config", overrides=[f"rules={name}"])
    for metric in config.rules.primary:
        evaluator, _, score = metric.partition("/")
        assert evaluator in config.eval
        assert evaluator == "schema"
        assert score in _REACHED
