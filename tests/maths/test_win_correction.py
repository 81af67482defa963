"""Corrected win rates: the same as for shares where there are no ties, exact where the judge's means are known."""

import numpy as np
import pytest

from finetune_lab.maths.agreement import Confusion
from finetune_lab.maths.correction import corrected_rate
from finetune_lab.maths.win_correction import Moments, WinCalibration, corrected_win_rate


def test_without_ties_it_is_rogan_gladen_with_lang_and_reiczigel():
    judged = np.array([1.0] * 45 + [0.0] * 5 + [1.0] * 10 + [0.0] * 40)
    true = np.array([1.0] * 50 + [0.0] * 50)
    wins = np.array([1.0] * 60 + [0.0] * 40)
    found = corrected_win_rate(wins, WinCalibration.of(judged, true))
    table = Confusion(true_positives=45, false_positives=10, false_negatives=5, true_negatives=40)
    same = corrected_rate(60, 100, table)
    assert found.value == pytest.approx(same.value, rel=1e-12)
    assert found.interval.low == pytest.approx(same.interval.low, rel=1e-12)
    assert found.interval.high == pytest.approx(same.interval.high, rel=1e-12)


def test_ties_of_the_judge_are_halves():
    table = WinCalibration.of(np.array([1, 1, 0.5, 0.5, 0, 0.5]), np.array([1, 1, 1, 0, 0, 0.5]))
    assert table.won.mean == pytest.approx(2.5 / 3)
    assert table.lost.mean == 0.25
    assert table.tied.num == 1
    wins = np.array([1.0, 0.5, 0.5, 0.0, np.nan])
    assert corrected_win_rate(wins, table).value == pytest.approx((0.5 - 0.25) / (2.5 / 3 - 0.25))


def test_pairs_of_one_prompt_widen_the_interval():
    table = WinCalibration(
        won=Moments(num=90, total=80, squares=80),
        lost=Moments(num=90, total=9, squares=9),
        tied=Moments.of(np.array([])),
    )
    wins = np.repeat(np.array([1.0, 0.0] * 20), 5)
    alone = corrected_win_rate(wins, table)
    together = corrected_win_rate(wins, table, clusters=np.arange(200) // 5)
    assert together.value == alone.value
    assert together.interval.low < alone.interval.low - 0.03


def test_what_cannot_be_corrected_is_unknown():
    none = Moments.of(np.array([]))
    half = Moments.of(np.array([0.5, 0.5]))
    for table in (WinCalibration(won=none, lost=half, tied=none), WinCalibration(won=half, lost=half, tied=none)):
        assert np.isnan(corrected_win_rate(np.array([1.0]), table).value)
    good = WinCalibration.of(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    assert np.isnan(corrected_win_rate(np.array([np.nan]), good).value)
