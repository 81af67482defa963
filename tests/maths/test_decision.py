"""Decisions: evaluated as written, in three values, every condition shown."""

import itertools

import pytest

from finetune_lab.maths.decision import UNDECIDED, Condition, Outcome, decide, named_facts

SUCCESS = Outcome(
    name="success",
    when=((Condition(metric="p", operator="<", limit=0.05), Condition(metric="gain", operator=">", limit=0.2)),),
)
MARGINAL = Outcome(
    name="marginal",
    when=(
        (Condition(metric="p", operator="<", limit=0.1),),
        (Condition(metric="gain", operator=">=", limit=0.1), Condition(metric="gain", operator="<=", limit=0.2)),
    ),
)


def found(**facts):
    return decide([SUCCESS, MARGINAL], "failure", facts)


@pytest.mark.parametrize(
    ("p", "gain", "outcome"),
    [
        (0.049, 0.21, "success"),
        (0.05, 0.21, "marginal"),  # < is not <=
        (0.049, 0.2, "marginal"),
        (0.5, 0.1, "marginal"),
        (0.5, 0.2, "marginal"),
        (0.5, 0.3, "failure"),  # as written: more than 20 % that chance explains is neither
        (0.1, 0.0, "failure"),
        (0.01, -0.5, "marginal"),
    ],
)
def test_the_first_outcome_that_holds(p, gain, outcome):
    assert found(p=p, gain=gain).outcome == outcome


def test_every_condition_is_shown_with_its_value():
    shown = found(p=0.01, gain=0.3).conditions
    assert [(one.outcome, one.text, one.value, one.met) for one in shown] == [
        ("success", "p < 0.05", 0.01, True),
        ("success", "gain > 0.2", 0.3, True),
        ("marginal", "p < 0.1", 0.01, True),
        ("marginal", "gain >= 0.1", 0.3, True),
        ("marginal", "gain <= 0.2", 0.3, False),
    ]


def test_what_is_not_known_decides_nothing():
    assert found(p=None, gain=0.3).outcome == UNDECIDED
    assert found(p=None, gain=0.3).unless == "failure"
    assert found(p=None, gain=0.15).unless == "marginal"
    assert found(p=None, gain=0.15).outcome == "marginal"  # success is out of reach whatever p is
    assert found(p=0.01, gain=None).outcome == UNDECIDED
    assert found().outcome == UNDECIDED


def test_an_undecided_case_has_two_possible_ends():
    """Undecided exactly where filling in the unknown facts can change the outcome."""
    values = (0.01, 0.07, 0.15, 0.3, 0.9)
    for p, gain in itertools.product((None, *values), repeat=2):
        ends = {
            found(p=a, gain=b).outcome
            for a in (values if p is None else (p,))
            for b in (values if gain is None else (gain,))
        }
        if len(ends) > 1:
            assert found(p=p, gain=gain).outcome == UNDECIDED


def test_a_limit_can_be_another_fact():
    rule = Outcome(name="stop", when=((Condition(metric="retrieval", operator=">=", limit="base"),),))
    assert named_facts([rule]) == {"retrieval", "base"}
    assert decide([rule], "go", {"retrieval": 0.5, "base": 0.5}).outcome == "stop"
    assert decide([rule], "go", {"retrieval": 0.4, "base": 0.5}).outcome == "go"
    assert decide([rule], "go", {"base": 0.5}).outcome == UNDECIDED
