"""What a model says, without what it thought before."""

import pytest

from finetune_lab.text.thoughts import said


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ('<think>\n{"draft": 1}\n</think>\n\n{"a": 2}', '{"a": 2}'),
        ("<think>\n\n</think>\n\nyes", "yes"),
        ("so it is.</think> yes", "yes"),  # the template had opened the thoughts
        ("<think>a</think>b<think>c</think>d", "d"),
        ('<think>\n{"draft": 1}', ""),
        ("  plain <think> text \n", "  plain <think> text \n"),
        ("", ""),
    ],
)
def test_only_what_stands_behind_the_thoughts_is_said(text, due):
    assert said(text) == due
