"""The picture: an SVG that parses, draws every outcome twice at its place, and escapes what the log says."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np

from finetune_lab.field.comparing import compare_arms
from finetune_lab.field.forest import forest

SVG = "{http://www.w3.org/2000/svg}"


def drawn(script, **names):
    world = script.World(num_posts=300, num_outcomes=2)
    asked = script.asked(world)
    log = replace(world.log(np.random.default_rng(0)), **names)
    found = compare_arms(log, *log.arms, asked)
    return found, ElementTree.fromstring(forest([found], 0.95))


def test_every_ratio_stands_at_its_place(script):
    found, picture = drawn(script)
    marks = [float(one.get("x")) + 4 for one in picture.iter(f"{SVG}rect") if one.get("width") == "8"]
    values = [ratio.value for one in found.found for ratio in (one.adjusted, one.naive)]
    assert len(marks) == len(values) == 4
    assert np.corrcoef(marks, np.log(values))[0, 1] > 0.999999
    width = float(picture.get("viewBox").split()[2])
    ends = [float(line.get(end)) for line in picture.iter(f"{SVG}line") for end in ("x1", "x2")]
    assert 0 <= min(ends) <= max(ends) <= width


def test_what_the_log_says_is_text(script):
    _, picture = drawn(script, arms=("base", "<script>&"))
    assert any("<script>&" in (text.text or "") for text in picture.iter(f"{SVG}text"))
    assert not list(picture.iter(f"{SVG}script"))
