"""Single checks at their limits; whole runs are diagnosed in tests/task/test_diagnose.py."""

from math import inf

import pytest
import yaml

from finetune_lab.maths.diagnosis import SYMPTOMS, Evidence, Limits, Scored, diagnose, improvement


@pytest.fixture
def limits(root) -> Limits:
    return Limits(**yaml.safe_load((root / "conf" / "task" / "diagnose.yaml").read_text())["limits"])


def of(symptom, limits, *, report=None, improved=None, **curves):
    """The findings of one symptom; `curves` are lists of values under our names with _ for /."""
    named = {name.replace("_", "/", 1): list(enumerate(values, start=1)) for name, values in curves.items()}
    evidence = Evidence(curves=named, report=report or {}, diversity={}, stops={}, improved=improved or {})
    return [finding for finding in diagnose(evidence, limits) if finding.symptom == symptom]


@pytest.mark.parametrize(
    ("base", "value", "higher", "due"),
    [(4, 2, False, 0.5), (4, 6, False, -0.5), (10, 12, True, 0.2), (0, 0.1, True, inf), (0, 0, True, 0)],
)
def test_improvement_is_a_share_of_the_base_in_the_better_direction(base, value, higher, due):
    assert improvement(Scored(value=value, base=base, higher_is_better=higher)) == due


def test_an_unscored_score_or_base_is_unknown(limits):
    one = {"e/a": Scored(value=None, base=1, higher_is_better=True)}
    two = {"e/b": Scored(value=1, base=None, higher_is_better=True)}
    [first, second] = of("insufficient_improvement", limits, improved=one | two)
    assert (first.found, first.note) == (None, "nothing could be scored")
    assert (second.found, second.note) == (None, "the base was not scored under the same measure")


def test_a_plateau_needs_all_its_evaluations(limits):
    [nine] = of("plateau", limits, validation_loss=[0.5] * 9)
    [ten] = of("plateau", limits, validation_loss=[0.5] * 10)
    [falling] = of("plateau", limits, validation_loss=[0.5 - 0.01 * number for number in range(10)])
    assert (nine.found, ten.found, falling.found) == (None, True, False)


def test_the_training_loss_is_that_of_the_last_logs_or_of_the_report(limits):
    [tail] = of("underfitting", limits, train_loss=[9.0, *[0.5] * 5])
    [report] = of("underfitting", limits, report={"final_training_loss": 1.5})
    [nothing] = of("underfitting", limits)
    assert (tail.found, tail.value) == (False, 0.5)
    assert (report.found, report.note) == (True, "from the report")
    assert nothing.found is None


def test_a_last_step_that_hardly_gains_has_converged(limits):
    report = {"stopped": "steps", "num_steps": 3}
    [flat] = of("never_converged", limits, report=report, validation_loss=[0.6, 0.5, 0.495])
    [steep] = of("never_converged", limits, report=report, validation_loss=[0.6, 0.5, 0.4])
    [single] = of("never_converged", limits, report=report, validation_loss=[0.6])
    assert (flat.found, steep.found, single.found) == (False, True, None)


def test_every_symptom_is_told_of_even_where_nothing_is_known(limits):
    evidence = Evidence(curves={}, report={}, diversity={}, stops={}, improved={})
    found = diagnose(evidence, limits)
    assert list(dict.fromkeys(finding.symptom for finding in found)) == list(SYMPTOMS)
    assert all(finding.found is None and finding.note for finding in found)
