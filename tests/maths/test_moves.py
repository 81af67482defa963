"""Which value is next, from where a run stands."""

import pytest

from finetune_lab.maths.moves import Knob, plan

RATE = Knob(path="o.rate", along=(), lower=1e-4, higher=3e-4, factor=3, least=1e-6, most=0.1, whole=False, advice=None)
RANK = Knob(path="a.rank", along=("a.alpha",), lower=8, higher=32, factor=2, least=2, most=256, whole=True, advice=None)
DROP = Knob(path="a.drop", along=(), lower=None, higher=0.15, factor=None, least=0, most=0.5, whole=False, advice=None)


@pytest.mark.parametrize(
    ("knob", "value", "down", "up"),
    [
        (RATE, 2e-4, 1e-4, 3e-4),
        (RATE, 1e-4, 3.3e-5, 3e-4),
        (RATE, 3e-4, 1e-4, 9e-4),
        (RATE, 7e-3, 2.3e-3, 2.1e-2),
        (RATE, 1e-6, None, 3e-6),
        (RATE, 0.1, 0.033, None),
        (RANK, 16, 8, 32),
        (RANK, 8, 4, 32),
        (RANK, 64, 32, 128),
        (RANK, 2, None, 4),
        (DROP, 0, None, 0.15),
        (DROP, 0.05, None, 0.15),
        (DROP, 0.15, None, None),
        (DROP, 0.3, None, None),
    ],
)
def test_the_next_value_down_and_up(knob, value, down, up):
    for direction, due in (("down", down), ("up", up)):
        found = knob.turned(value, direction)
        assert found == (due if due is None else pytest.approx(due))


def test_what_goes_along_keeps_its_ratio_and_its_kind():
    found = plan(["x"], {"a.rank": 16, "a.alpha": 32}, {"rank": RANK}, {"x": {"rank": "up"}})
    [proposal] = found.proposals
    assert [(change.path, change.new) for change in proposal.changes] == [("a.rank", 32), ("a.alpha", 64)]
    assert all(isinstance(change.new, int) for change in proposal.changes)
    without = plan(["x"], {"a.rank": 16, "a.alpha": None}, {"rank": RANK}, {"x": {"rank": "up"}})
    assert [change.path for change in without.proposals[0].changes] == ["a.rank"]


def test_the_first_remedy_of_each_symptom_comes_first_and_one_knob_is_turned_once():
    knobs = {"rate": RATE, "rank": RANK, "drop": DROP}
    settings = {"o.rate": 2e-4, "a.rank": 16, "a.alpha": 32, "a.drop": 0.05}
    remedies = {"x": {"rank": "down", "drop": "up"}, "y": {"rate": "up", "rank": "up", "drop": "up"}}
    found = plan(["y", "x"], settings, knobs, remedies)
    assert [proposal.knob for proposal in found.proposals] == ["rank", "rate", "drop"]
    assert found.proposals[2].symptoms == ("x", "y")
    assert found.withheld == ("rank up, for y: x asks for down",)
    assert plan([], settings, knobs, remedies).proposals == ()


def test_a_run_without_the_value_gets_no_proposal_but_a_reason():
    found = plan(["x"], {"a.rank": True}, {"rank": RANK}, {"x": {"rank": "up"}})
    assert found.proposals == ()
    assert found.withheld == ("rank up, for x: the run has no number at a.rank",)
