"""Panels: who is asked what, bills by judge, and failures told with their reasons."""

from types import SimpleNamespace

import pytest

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.inference.clients.asking import Asked
from finetune_lab.inference.clients.exchange import Failure, Reply, Request
from finetune_lab.inference.judging.panel import (
    Voice,
    ask_all,
    check_failures,
    check_families,
    check_panel,
    interval_text,
    reason_of,
    voices,
)


def reply(text="x", finish="end"):
    return Reply(text=text, num_input_tokens=1, num_output_tokens=1, finish=finish)


def judge(name, family=None):
    return SimpleNamespace(name=name, family=family, check=lambda: None)


def question(text):
    return Request(messages=({"role": "user", "content": text},))


def test_each_judge_is_asked_once_with_all_wordings():
    judges = {"a": judge("m"), "b": judge("n")}
    calls = []

    def ask(client, questions):
        calls.append((client.name, len(questions)))
        said = [reply(f"{client.name} {one.messages[0]['content']}") for one in questions]
        return Asked(outcomes=tuple(said), bill={"asked": len(questions)})

    asked = {voice: [question(voice.label)] for voice, _ in voices(judges, ["plain", "panel"])}
    outcomes, bills = ask_all(asked, judges, ask)
    assert calls == [("m", 2), ("n", 2)]
    assert outcomes[Voice(judge="b", wording="panel")][0].text == "n b/panel"
    assert bills["b"] == {"model": "n", "asked": 2}


def test_families():
    candidate = SimpleNamespace(repo="Qwen/Qwen3-8B")
    with pytest.raises(ConfigError, match=r"main \(qwen-max\) is of the candidate's own family"):
        check_families("eval.x", {"main": judge("qwen-max")}, candidate, allowed=False)
    assert check_families("eval.x", {"main": judge("gpt-4o")}, candidate, allowed=False) == []
    (note,) = check_families("eval.x", {"main": judge("own", family="qwen")}, candidate, allowed=True)
    assert "own family (qwen)" in note


def test_an_empty_panel_is_refused():
    with pytest.raises(ConfigError, match="nobody judges"):
        check_panel("eval.x", {}, ["plain"])


def test_failures_beyond_the_limit_are_told_with_their_reasons():
    failure = Failure(kind="server", reason="HTTP 500: oops")
    check_failures("eval.x", [failure, reply(), reply(), reply()], 0.25)
    with pytest.raises(WorldError, match=r"2 of 4 .*2 × HTTP 500: oops.*unscored_limit=0.25"):
        check_failures("eval.x", [failure, failure, reply(), reply()], 0.25)


def test_reasons_and_intervals_in_words():
    assert reason_of(Failure(kind="timeout", reason="x")) == "no reply: timeout"
    assert reason_of(reply("  ")) == "an empty answer"
    assert reason_of(reply("a", finish="length")) == "cut off before a verdict"
    assert interval_text({"value": 0.5, "low": 0.25, "high": 0.75}) == "0.500 [0.250, 0.750]"
    assert interval_text({"value": float("nan"), "low": None, "high": None}) == "–"
