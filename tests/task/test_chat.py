"""A chat in the terminal: history, system message, both models, and nothing that a model writes steers the terminal."""

import io
import sys

import pytest
from rich.console import Console

from finetune_lab.task.chat_screen import Screen

LINE = ("method=adapter", "eval=[]", "task=chat", "decoding.max_new_tokens=10", "runtime.device=cpu")
LINE += ("model.quantization=none", "data.max_rows=20")


@pytest.fixture
def talk(execute, tmp_path, drawn_adapter, monkeypatch, capsys):
    """Say these lines; gives what was shown."""
    own = (*LINE, f"method.path={drawn_adapter}")

    def say(lines, *overrides):
        execute(*own, "task=train")
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
        execute(*own, *overrides)
        return capsys.readouterr().out

    return say


def answers(shown):
    """What stands behind each line that was said."""
    return [part.partition("\n")[2].strip() for part in shown.split("› ")[1:]]


def test_the_history_counts_until_it_is_cleared(talk):
    first, second, _, third = answers(talk(["Hello.", "Hello.", "/clear", "Hello."]))
    assert first == third
    assert first != second


def test_a_system_message_counts(talk):
    asked, system = "Tell me a story about crows.", "You answer in numbers: 1 2 3 4 5."
    plain = answers(talk([asked]))[0]
    told = answers(talk([asked], f"task.system='{system}'"))[0]
    switched = answers(talk([f"/system {system}", asked, "/quit", "never said"]))
    assert told != plain
    assert switched[1] == told
    assert len(switched) == 3


def test_base_and_tuned_answer_with_histories_of_their_own(talk):
    both = answers(talk(["Hello.", "And you?"], "task.which=both"))
    for number, model in enumerate(("base", "tuned")):
        alone = answers(talk(["Hello.", "And you?"], f"task.which={model}"))
        label = ("base:", "adapter:")[number]
        for beside, own in zip(both, alone, strict=True):
            assert own in beside.partition(label)[2]


def test_sampling_comes_from_the_config_and_each_turn_draws_anew(talk):
    sampled = ("decoding.temperature=1.0", "decoding.seed=1")
    one, two = (answers(talk(["Hello.", "/clear", "Hello."], *sampled)) for _ in range(2))
    assert one == two
    assert one[0] != one[2]


def test_the_thinking_switch_reaches_the_template(lab):
    from dataclasses import replace

    chat = lab("model.quantization=none").model.chat()
    template = "{% if enable_thinking is defined and not enable_thinking %}no {% endif %}{{ messages[0]['content'] }}"
    switched = replace(chat, template=template, options={**chat.options, "enable_thinking": False})
    assert switched.render([{"role": "user", "content": "hi"}]) == "no hi"


EVIL = ["\x1b[2J", "[red]not red[/]", "\u202eback", "\x07", "fine\n"]


@pytest.mark.parametrize("terminal", [True, False])
def test_what_a_model_writes_cannot_steer_the_terminal(terminal):
    shown = io.StringIO()
    console = Console(
        file=shown,
        force_terminal=terminal,
        width=160,
        color_system=None,
        markup=False,
        _environ={"TERM": "xterm", "LINES": "30", "COLUMNS": "160"},
    )
    labels = ["base", "[bold]x"]
    Screen(console, labels).answer([iter(EVIL), iter(EVIL)])
    text = shown.getvalue()
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    assert r"\x1b[2J" in text
    assert "[red]not red[/]" in text
