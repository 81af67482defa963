"""The evaluator of pairs: what its measure is about, and what it says before anybody has voted."""

from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError, WorldError


def measure(lab: Any, *line: str) -> tuple[str, str]:
    made = lab("eval=[human_pairwise]", *line)
    return made.measures["human_pairwise"], made.evaluators["human_pairwise"].votes_key()


@pytest.fixture
def rows(tmp_path: Path) -> list[str]:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"question": "q{n}", "answer": "a{n}"}}\n' for n in range(5)))
    return ["data=jsonl", f"data.path={path}", "data.split={train: 0, validation: 0, test: 1, seed: 0}"]


def test_the_measure_is_the_protocol_and_votes_belong_to_the_question(lab: Any, rows: list[str]) -> None:
    plain = measure(lab, *rows)
    assert measure(lab, *rows, "method=lora") == plain
    for change in ("gold.needed=0.7", "rows.max_rows=3"):  # another measure; the votes are still what they were
        other = measure(lab, *rows, f"eval.human_pairwise.{change}")
        assert other[0] != plain[0]
        assert other[1] == plain[1]
    other = measure(lab, *rows, "decoding.seed=7")
    assert (other[0] != plain[0], other[1]) == (True, plain[1])
    other = measure(lab, *rows, "eval.human_pairwise.question=Which is kinder?")
    assert other[0] != plain[0]
    assert other[1] != plain[1]


def test_without_votes_it_says_how_to_get_some(lab: Any, rows: list[str], answered: Any, row: Any) -> None:
    evaluator = lab("eval=[human_pairwise]", *rows).evaluators["human_pairwise"]
    asked = [row("q")]
    with pytest.raises(WorldError, match="nobody has voted on the answers of base and base yet"):
        evaluator.contrast(answered(asked, ["one"]), answered(asked, ["two"]))
    same = evaluator.contrast(answered(asked, ["one"]), answered(asked, ["one"]))
    assert same.scores[0].value == 0.5


def test_a_file_of_gold_items_that_is_not_there(lab: Any, rows: list[str]) -> None:
    evaluator = lab("eval=[human_pairwise]", "eval.human_pairwise.gold.file=none.jsonl", *rows).evaluators
    with pytest.raises(DataError, match=r"eval\.human_pairwise\.gold\.file: there is no file none\.jsonl"):
        evaluator["human_pairwise"].check()
