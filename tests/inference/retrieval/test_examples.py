"""Which rows can be examples, and when two prompts ask the same."""

import pytest

from finetune_lab.inference.retrieval.examples import examples_of, query_of, same_question
from finetune_lab.records import Sample


def turns(*said, system=None):
    spoken = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]
    return [*([{"role": "system", "content": system}] if system else []), *spoken]


def test_rows_with_questions_and_answers_are_examples_and_others_are_not():
    rows = [
        Sample.of(messages=turns("a", "b", system="be kind")),
        Sample.of(messages=turns("a", "b", "c", "d")),
        Sample.of(messages=turns("a")),
        Sample.of(messages=turns("a", "b", "c")),
        Sample.of(messages=[{"role": "assistant", "content": "hello"}]),
        Sample.of(messages=[*turns("a", "b"), {"role": "tool", "content": "1"}]),
        Sample.of(text="plain"),
    ]
    found = examples_of(rows)
    assert [one.sample for one in found] == [rows[0].id, rows[1].id]
    assert [turn["content"] for turn in found[0].turns] == ["a", "b"]  # without the system message
    assert found[1].answer == "d"


def test_what_is_looked_for_is_the_last_thing_the_user_said():
    assert query_of(turns("a", "b", "c", system="x")) == "c"
    assert query_of(turns("a", "b")) == "a"
    assert query_of([{"role": "system", "content": "x"}]) == ""


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (turns("Plan  a day"), turns("plan a day"), True),
        (turns("a", system="x"), turns("a"), True),
        (turns("a", "b", "c"), turns("a", "z", "c"), False),
        (turns("a b"), turns("a", "b"), False),
    ],
)
def test_the_same_question_is_known_by_its_words(one, other, same):
    assert (same_question(one) == same_question(other)) is same
