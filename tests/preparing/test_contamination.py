"""What a model has seen: each kind by a row made for it, and clean rows stay clean."""

import numpy as np
import pytest

from finetune_lab.preparing.contamination import Limits, Training, counted
from finetune_lab.records import Sample

LIMITS = Limits(unit="word", near_size=3, near=0.8, covered_size=8, covered=0.8)


def words(seed: int, num: int) -> str:
    return " ".join(f"w{word}" for word in np.random.default_rng(seed).integers(0, 1_000_000, num))


def row(prompt: str, answer: str) -> Sample:
    return Sample.of(messages=[{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}])


TRAINING = [row(words(n, 30), words(100 + n, 10)) for n in range(20)]


def kinds(*rows: Sample) -> list[list[str]]:
    return [one.kinds(LIMITS) for one in Training(TRAINING, LIMITS).seen(rows)]


def test_each_kind() -> None:
    first = TRAINING[0]
    prompt, answer = first.prompt[0]["content"], first.reference or ""
    same = row(prompt.upper(), answer + " ")
    other_answer = row(prompt, words(7, 40))
    near = row(prompt + " added", answer)
    pieces = row(" ".join(one.prompt[0]["content"] for one in TRAINING[3:6]), "w")
    assert kinds(same, other_answer, near, pieces, row(words(999, 30), words(998, 10))) == [
        ["same text", "same prompt", "near", "covered"],
        ["same prompt"],
        ["near"],
        ["covered"],
        [],
    ]


def test_the_training_row_is_named() -> None:
    (one,) = Training(TRAINING, LIMITS).seen(
        [row(TRAINING[4].prompt[0]["content"] + " more", TRAINING[4].reference or "")]
    )
    assert one.near == TRAINING[4].id
    assert one.similarity == pytest.approx(36 / 41)  # 38 runs of three; one added word makes 39 and breaks two


def test_short_rows_are_not_covered_by_chance() -> None:
    short = Sample.of(text="w1 w2 w3")
    (one,) = Training([*TRAINING, Sample.of(text="w1 w2 w3 w4")], LIMITS).seen([short])
    assert one.covered is None
    assert one.kinds(LIMITS) == []


def test_rows_without_a_prompt_have_no_same_prompt() -> None:
    seen = Training([Sample.of(text="one text")], LIMITS).seen([Sample.of(text="another text")])
    assert counted(seen, LIMITS) == {"rows": 1, "same text": 0, "same prompt": 0, "near": 0, "covered": 0, "any": 0}
