import io

import pytest
from rich.console import Console

from finetune_lab.text.terminal import one_line, printable
from finetune_lab.text.units import bytes_text, duration_text


def printed(markup):
    stream = io.StringIO()
    Console(file=stream, width=200, highlight=False, emoji=False, tab_size=1).print(markup, soft_wrap=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain süß 漢字\n\ttab", "plain süß 漢字\n tab"),
        ("[red]not red[/red] [link=http://x]y", "[red]not red[/red] [link=http://x]y"),
        ("\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"),
        ("over\rwritten\x08", "over\\x0dwritten\\x08"),
        ("\x9b31m\u202etxt.exe", "\\x9b31m\\u202etxt.exe"),
        ("half \ud83d", "half \\ud83d"),
        ("ends in \\", "ends in \\"),
        ("[/] \\[bold]", "[/] \\[bold]"),
    ],
)
def test_text_is_shown_as_it_is_and_does_nothing(text, shown):
    assert printed(f"[bold]{printable(text)}[/bold]").rstrip("\n") == shown


def test_one_line_is_cut():
    assert one_line("a\nb   c", 20) == "a b c"
    assert one_line("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9960, "10 kB"),
        (999_600, "1.0 MB"),
        (3.2e9, "3.2 GB"),
        (5e12, "5.0 TB"),
    ],
)
def test_bytes(number, text):
    assert bytes_text(number) == text


@pytest.mark.parametrize(("number", "text"), [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (2e5, "2 d")])
def test_durations(number, text):
    assert duration_text(number) == text
