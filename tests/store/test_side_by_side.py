"""Base and tuned beside one another: paired by sample, unknown stays unknown, and any text can be shown."""

import json

from finetune_lab.records import Sample
from finetune_lab.store.side_by_side import METRICS, SAMPLES, write_side_by_side

ROWS = [Sample(id=f"s{n}", messages=({"role": "user", "content": f"question {n}"},)) for n in range(3)]


def test_scores_stand_side_by_side_with_their_change(outputs, tmp_path):
    write_side_by_side(tmp_path, ROWS, base=outputs.found(4.0), tuned=outputs.found(3.0))
    told = json.loads((tmp_path / METRICS).read_text())
    assert told["scores"]["perplexity"] == {"base": 4.0, "tuned": 3.0, "change": -1.0, "better": True, "unit": ""}
    assert told["counts"]["base"] == {"unscored": 1}


def test_what_is_not_known_has_no_change(outputs, tmp_path):
    write_side_by_side(tmp_path, ROWS, base=outputs.found(None), tuned=outputs.found(3.0))
    (score,) = json.loads((tmp_path / METRICS).read_text())["scores"].values()
    assert (score["base"], score["change"], score["better"]) == (None, None, None)


def test_samples_are_paired_by_name_and_any_text_stays_in_its_fence(outputs, tmp_path):
    base, tuned = outputs.found(samples=("s2", "s1", "s0")), outputs.found()
    texts = {"s0": "with ``` inside"}
    write_side_by_side(tmp_path, ROWS, base=base, tuned=tuned, base_texts={"s0": "plain"}, tuned_texts=texts)
    page = (tmp_path / SAMPLES).read_text()
    assert "````text\nwith ``` inside\n````" in page
    assert "user: question 0" in page
    assert "| nll | 0.1 | 1.5 |" in page  # the third of the base is s0
    assert "| nll | – | – |" in page


def test_only_so_many_samples_are_shown(outputs, tmp_path):
    many = outputs.found(samples=tuple(f"n{n}" for n in range(130)))
    write_side_by_side(tmp_path, [], base=many, tuned=many)
    assert "… and 30 more" in (tmp_path / SAMPLES).read_text()


def test_the_same_again_touches_nothing(outputs, tmp_path):
    def write():
        write_side_by_side(tmp_path, ROWS, base=outputs.found(), tuned=outputs.found())
        return [(tmp_path / name).stat().st_mtime_ns for name in (METRICS, SAMPLES)]

    assert write() == write()
