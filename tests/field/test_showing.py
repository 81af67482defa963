"""What people see: within 80 columns, naive beside adjusted, and nothing that a log can do to a terminal."""

from dataclasses import replace

import numpy as np
from rich.console import Console

from finetune_lab.field.comparing import compare_arms
from finetune_lab.field.forest import forest
from finetune_lab.field.showing import shown

HOSTILE = "\x1b[31m<script>alert(1)</script>[bold]"


def hostile(script):
    world = script.World(num_posts=200)
    asked = script.asked(world)
    asked = replace(asked, outcomes={HOSTILE: asked.outcomes["y0"]})
    log = replace(world.log(np.random.default_rng(0)), arms=("base", HOSTILE))
    return compare_arms(log, "base", HOSTILE, asked), asked


def printed(found, asked, capsys):
    Console(highlight=False, emoji=False, markup=False, width=80).print(shown(found, asked))
    return capsys.readouterr().out


def test_eighty_columns_with_the_naive_ratio_and_the_weeks(script, capsys):
    world = script.World(num_posts=200)
    asked = script.asked(world)
    said = printed(compare_arms(world.log(np.random.default_rng(0)), "base", "tuned", asked), asked, capsys)
    assert max(map(len, said.splitlines())) <= 80
    for wanted in ("base → tuned", "naive", "95 % interval", "weeks for 1.5", "observational: confounders", "verdict"):
        assert wanted in said


def test_strangers_text_is_shown_not_sent(script, capsys):
    found, asked = hostile(script)
    said = printed(found, asked, capsys)
    assert "\x1b" not in said
    assert "\\x1b" in said
    assert "[bold]" in said.replace("\n", "").replace(" ", "")


def test_what_is_unknown_is_a_dash_with_its_reason(script, capsys):
    world = script.World(num_posts=200)
    asked = script.asked(world)
    log = world.log(np.random.default_rng(0))
    log = replace(log, outcomes={"y0": log.outcomes["y0"] * (log.arm == 0)})
    found = compare_arms(log, "base", "tuned", asked)
    assert "y0: unknown, an arm has none at all" in " ".join(printed(found, asked, capsys).split())
    assert "unknown" in forest([found], 0.95)
