"""The shapes of rows: recognised by their fields, and turned into the same turns."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError
from finetune_lab.preparing.pipeline import convert, summary, write_splits
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.shapes import SHAPES
from finetune_lab.preparing.splitting import Split

TURNS = (("user", "q"), ("assistant", "a"))
ALL_TEST = Split(train=0, validation=0, test=1, seed=0)


def rows(*given: dict[str, Any]) -> list[Row]:
    return [Row(fields=fields, place=f"file, line {number}") for number, fields in enumerate(given, start=1)]


def turns(fields: dict[str, Any], **options: Any) -> tuple[tuple[str, str], ...]:
    sample = convert(rows(fields), **options).samples[0]
    return tuple((message["role"], message["content"]) for message in sample.messages)


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}, "messages"),
        ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, "sharegpt"),
        ({"conversations": [{"from": "user", "value": "q"}, {"from": "ChatGPT", "value": "a"}]}, "sharegpt"),
        ({"instruction": "q", "output": "a"}, "alpaca"),
        ({"instruction": "q", "input": "", "output": "a", "history": None}, "alpaca"),
        ({"prompt": "q", "completion": "a"}, "prompt_completion"),
        (
            {"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]},
            "prompt_completion",
        ),
        ({"question": "q", "answer": "a"}, "question_answer"),
    ],
)
def test_every_shape_gives_the_same_turns_and_its_name(fields: dict[str, Any], shape: str) -> None:
    assert turns(fields) == TURNS
    assert convert(rows(fields)).shapes == {shape: 1}
    assert turns(fields, shape=shape) == TURNS


def test_plain_text_is_a_sample_without_turns() -> None:
    found = convert(rows({"text": "once"}))
    assert (found.samples[0].text, found.samples[0].messages) == ("once", ())


def test_what_goes_before_the_question_keeps_its_order() -> None:
    alpaca = {"instruction": "q", "input": "i", "output": "a", "system": "s", "history": [["q0", "a0"]]}
    before = (("system", "s"), ("user", "q0"), ("assistant", "a0"))
    assert turns(alpaca) == (*before, ("user", "q\n\ni"), ("assistant", "a"))
    assert turns(
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s"}
    ) == (
        ("system", "s"),
        *TURNS,
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"q": 1, "b": 2}, ["messages (messages)", "text (text)", "the row has: q, b"]),
        ({}, ["the row has: none"]),
        ({"messages": "hi"}, ["'messages'", "list", "str"]),
        ({"messages": []}, ["'messages'", "list"]),
        ({"messages": [{"role": "user"}]}, ["turn 1", "'content'"]),
        ({"messages": [{"role": "user", "content": None}]}, ["messages.content", "NoneType"]),
        ({"messages": [{"role": "wizard", "content": "x"}]}, ["turn 1", "'wizard'", "assistant"]),
        ({"messages": [{"role": ["user"], "content": "x"}]}, ["unknown role"]),
        ({"conversations": [{"role": "user", "content": "x"}]}, ["turn 1", "'from'", "'value'"]),
        ({"instruction": 3, "output": "a"}, ["'instruction'", "int"]),
        ({"instruction": "q", "output": 3}, ["'output'", "int"]),
        ({"instruction": "q", "output": float("nan")}, ["'output'", "float"]),
        ({"instruction": "q", "output": "a", "history": 5}, ["'history'", "pairs"]),
        ({"instruction": "q", "output": "a", "history": ["xy"]}, ["'history'", "pairs"]),
        ({"instruction": "q", "output": "a", "history": [["x", 1]]}, ["'history'", "int"]),
        ({"prompt": {"a": 1}, "completion": "a"}, ["'prompt'", "dict"]),
        ({"text": 3}, ["'text'", "int"]),
        ({"question": "q", "answer": "half \ud83d"}, ["'answer'", "surrogate"]),
    ],
)
def test_a_row_of_no_shape_is_told_with_its_place(fields: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(DataError, match="file, line 2: ") as error:
        convert(rows({"text": "fine"}, fields))
    for part in told:
        assert part in str(error.value)


def test_a_shape_that_was_named_is_not_guessed() -> None:
    with pytest.raises(
        DataError, match="line 1: field 'question' of shape question_answer is missing; the row has: prompt"
    ):
        convert(rows({"prompt": "q", "completion": "a"}), shape="question_answer")


def test_rows_without_an_answer_are_counted_and_the_first_is_named() -> None:
    given = rows({"question": "q", "answer": "a"}, {"question": "q1", "answer": ""}, {"question": "q2"})
    with pytest.raises(DataError) as error:
        convert(given)
    assert "2 of 3 rows have no answer" in str(error.value)
    assert "'answer'" in str(error.value)
    assert "file, line 2" in str(error.value)
    assert "data.unanswered=drop" in str(error.value)
    dropped = convert(given, unanswered="drop")
    assert [sample.reference for sample in dropped.samples] == ["a"]
    assert [one.reason for one in dropped.dropped] == ["no answer", "no answer"]
    assert [sample.reference for sample in convert(given, unanswered="keep").samples] == ["a", None, None]


def test_a_dialogue_that_ends_with_the_user_has_no_answer() -> None:
    row = {"messages": [{"role": "user", "content": "q"}]}
    with pytest.raises(DataError, match="1 of 1 rows have no answer"):
        convert(rows(row))
    assert turns(row, unanswered="keep") == (("user", "q"),)


def test_a_row_that_stands_twice_is_kept_once_and_counted(tmp_path: Path) -> None:
    found = convert(rows({"text": "a"}, {"text": "b"}, {"text": "a", "more": 1}))
    note = write_splits(tmp_path, found, ALL_TEST, {"source": "x"})
    assert note["rows_read"] == 3
    assert note["dropped"] == {"stands twice": 1}
    assert note["splits"]["test"]["rows"] == 2
    left_out = [json.loads(line) for line in (tmp_path / "dropped.jsonl").read_text().splitlines()]
    told = {"step": "reading", "reason": "stands twice", "detail": "", "place": "file, line 3"}
    assert left_out == [{**told, "row": {"text": "a", "more": 1}}]
    assert "3 rows read as text (3)" in summary(note)
    assert "1 stands twice" in summary(note)


def test_facts_come_along_and_a_missing_one_is_told() -> None:
    found = convert(rows({"text": "a", "label": [1, {"x": 2}]}), facts=("label",))
    assert found.samples[0].facts == {"label": [1, {"x": 2}]}
    with pytest.raises(DataError, match="line 1: field 'label' is missing; the row has: text"):
        convert(rows({"text": "a"}), facts=("label",))
    with pytest.raises(DataError, match="line 1: field 'author' is missing"):
        convert(rows({"text": "a"}), group_by="author")


ASKED = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
GOOD, BAD = {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "q", "chosen": "a", "rejected": "b", "system": "s"},
        {"prompt": ASKED, "chosen": [GOOD], "rejected": [BAD]},
        {"chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]},
        {"instruction": "q", "input": "", "chosen": "a", "rejected": "b", "system": "s"},
        {
            "conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "a"},
            "rejected": {"from": "gpt", "value": "b"},
        },
    ],
)
def test_a_preference_pair_is_the_better_answer_and_the_worse_as_a_fact(fields: dict[str, Any]) -> None:
    found = convert(rows(fields))
    assert found.shapes == {"dpo": 1}
    assert turns(fields) == (("system", "s"), ("user", "q"), ("assistant", "a"))
    assert found.samples[0].facts == {"rejected": "b"}


def test_two_answers_to_different_questions_are_told() -> None:
    other = [{"role": "user", "content": "another"}, BAD]
    with pytest.raises(DataError, match="line 1: 'chosen' and 'rejected' should be two answers to the same turns"):
        convert(rows({"chosen": [*ASKED, GOOD], "rejected": other}))
    with pytest.raises(DataError, match="1 of 1 rows have no answer"):
        convert(rows({"prompt": "q", "chosen": "", "rejected": "b"}))


def test_an_answer_that_was_judged_bad_is_not_learned_unless_asked_for() -> None:
    given = rows(
        {"messages": [ASKED[1], GOOD], "label": True},
        {"prompt": "q", "completion": "b", "label": False},
        {"messages": [ASKED[1], GOOD], "label": "a class"},
    )
    found = convert(given)
    assert found.shapes == {"kto": 2, "messages": 1}
    assert [(s.reference, dict(s.facts)) for s in found.samples] == [("a", {"desirable": True}), ("a", {})]
    assert [one.reason for one in found.dropped] == ["undesirable answer"]
    assert len(convert(given, undesirable="keep").samples) == 3


def test_no_shape_is_taken_for_another() -> None:
    signs = [shape.signs for shape in SHAPES.values()]
    assert len(set(signs)) == len(signs) == 9
