"""Answers on disk: none is lost or asked twice, and thoughts are no part of what was said."""

import json
from contextlib import nullcontext

from finetune_lab.inference.answers import read_answers, write_answers
from finetune_lab.records import Decoding, Sample

ROWS = [Sample.of(messages=[{"role": "user", "content": text}]) for text in ("one", "two", "three")]
DECODING = Decoding(max_new_tokens=99)


def test_a_killed_line_goes_on_with_what_is_missing(fake_model, tmp_path):
    model = fake_model()
    write_answers(tmp_path, lambda: nullcontext(model), ROWS[:2], DECODING)
    with (tmp_path / "answers.jsonl").open("a") as stream:
        stream.write('{"sample": "torn')
    again = fake_model()
    assert write_answers(tmp_path, lambda: nullcontext(again), ROWS, DECODING)["num"] == 3
    assert again.asked == [ROWS[2].id]
    assert [answer.text for answer in read_answers(tmp_path, ROWS)] == [
        f"You said: {n}" for n in ("one", "two", "three")
    ]


def test_thoughts_stay_in_the_file(fake_model, tmp_path):
    model = fake_model(reply=lambda asked: f"<think>\nhm {asked}\n</think>\n\nyes")
    write_answers(tmp_path, lambda: nullcontext(model), ROWS, DECODING)
    assert {answer.text for answer in read_answers(tmp_path, ROWS)} == {"yes"}
    kept = [json.loads(line)["text"] for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert all("hm" in text for text in kept)
