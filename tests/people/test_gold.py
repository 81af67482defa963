"""Gold items: made of rows or from a file, judged as they should be, and the rule that leaves raters out."""

from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError
from finetune_lab.people.gold import Gold, attention, mixed_up
from finetune_lab.people.votes import Vote
from finetune_lab.records import Sample

REFERENCE = "the quick brown fox jumps over the lazy dog"


def rows(num: int) -> list[Sample]:
    turns = [
        [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"{n} {REFERENCE}"}] for n in range(num)
    ]
    return [Sample.of(messages=turn) for turn in turns]


def gold(**own: Any) -> Gold:
    return Gold(**{"share": 0.1, "file": None, "needed": None, "after": 2} | own)


def vote(item: Any, said: str, rater: str = "ada", shown: tuple[str, ...] = ()) -> Vote:
    ids = shown or tuple(answer.id for answer in item.answers)
    return Vote(item=item.id, shown=ids, said=said, rater=rater, time="t", seconds=None, source="terminal")


def test_made_pairs_set_the_answer_against_its_words_in_disorder() -> None:
    found = gold().pairs(rows(30), 30)
    assert len(found) == 3
    one = found[0]
    texts = {answer.id: answer.text for answer in one.item.answers}
    worse = next(text for name, text in texts.items() if name != one.better)
    assert REFERENCE in texts[one.better]
    assert sorted(worse.split()) == sorted(texts[one.better].split())
    ids = tuple(texts)
    better, other = (("left", "right"), ("right", "left"))[ids[0] != one.better]
    assert one.passed(vote(one.item, better))
    assert not one.passed(vote(one.item, other))
    assert not one.passed(vote(one.item, "tie"))
    assert one.passed(vote(one.item, other, shown=ids[::-1]))


def test_made_ratings_are_right_up_to_the_middle() -> None:
    one = gold().singles(rows(3), 3, 5.5, 1)[0]
    assert one.passed(vote(one.item, "5"))
    assert not one.passed(vote(one.item, "6"))


def test_a_share_of_something_is_one_at_least_and_of_nothing_none() -> None:
    assert len(gold().pairs(rows(3), 3)) == 1
    assert gold(share=0).pairs(rows(3), 3) == ()
    bare = [Sample.of(messages=[{"role": "user", "content": "q"}])]
    assert gold().pairs(bare, 1) == ()
    assert mixed_up("ab") == "ba"


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text('{"prompt": "q", "better": "b", "worse": "w"}\n')
    assert [one.item.prompt[0]["content"] for one in gold(file=path).pairs([], 5)] == ["q"]
    path.write_text('{"prompt": "q", "answer": "a", "lowest": 8, "highest": "10"}\n')
    assert gold(file=path).singles([], 5, 5.5, 1)[0].highest == 10
    assert gold(file=path).identity()["file"] != gold().identity()["file"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "q", "better": "b"}', "line 1: worse should be text"),
        ('{"prompt": "q", "better": "b", "worse": "b "}', "line 1: better and worse are the same"),
    ],
)
def test_a_broken_file_is_told_by_its_row(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        gold(file=path).pairs([], 5)
    path.write_text('{"prompt": "q", "answer": "a", "lowest": "much", "highest": 3}\n')
    with pytest.raises(DataError, match="line 1: lowest and highest should be numbers"):
        gold(file=path).singles([], 5, 5.5, 1)
    with pytest.raises(DataError, match="there is no file"):
        gold(file=tmp_path / "none").check("eval.rating")


def test_only_the_declared_rule_leaves_anybody_out() -> None:
    made = gold().singles(rows(4), 40, 5.5, 1)
    votes = {}
    for rater, points in (("careful", "1"), ("careless", "9")):
        votes |= {(one.item.id, rater): vote(one.item, points, rater) for one in made}
    votes[made[0].item.id, "new"] = vote(made[0].item, "9", "new")
    assert not any(one.left_out for one in attention(gold(), made, votes).values())
    found = attention(gold(needed=0.7), made, votes)
    assert {rater: one.left_out for rater, one in found.items()} == {"careful": False, "careless": True, "new": False}
    assert (found["careless"].right, found["careless"].num) == (0, 4)
