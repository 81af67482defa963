"""From points to an evaluation: one item for one text, scales that make sense, raters who differ."""

import pytest
from pydantic import ValidationError

from finetune_lab.errors import ConfigError
from finetune_lab.people.gold import Gold
from finetune_lab.people.ratings import Scale, ballot_of, evaluated, item_of
from finetune_lab.people.votes import Vote
from finetune_lab.records import Answer, Sample

RULE = Gold(share=0, file=None, needed=None, after=2)
SCALE = Scale(lowest=1, highest=10, lowest_label="useless", highest_label="perfect")
ROWS = [Sample.of(messages=[{"role": "user", "content": f"q{n}"}]) for n in range(3)]


def answers(*texts: str) -> list[Answer]:
    return [
        Answer(sample=row.id, text=text, num_prompt_tokens=1, num_tokens=1, finish="end")
        for row, text in zip(ROWS, texts, strict=True)
    ]


def vote(place: int, text: str, said: str, rater: str = "ada") -> Vote:
    item = item_of(ROWS[place], answers(*[text] * 3)[place])
    return Vote(
        item=item.id, shown=(item.answers[0].id,), said=said, rater=rater, time="t", seconds=None, source="terminal"
    )


def test_the_same_text_of_two_models_is_asked_once_and_counts_for_both() -> None:
    one, two = answers("a", "b", "c"), answers("a", "x", "y")
    ballot = ballot_of("How good?", SCALE, ROWS, [one, two], ())
    assert len(ballot.items) == 5
    assert [option.value for option in ballot.options] == [str(point) for point in range(1, 11)]
    assert ballot.hint == "1 = useless, 10 = perfect"
    votes = [vote(0, "a", "8")]
    assert evaluated(ROWS, one, votes, (), RULE, 0.95).columns["rating"] == [8.0, None, None]
    assert evaluated(ROWS, two, votes, (), RULE, 0.95).columns["rating"] == [8.0, None, None]


def test_a_row_is_the_mean_of_its_raters() -> None:
    votes = [vote(0, "a", "8"), vote(0, "a", "6", "bob"), vote(1, "b", "3"), vote(2, "c", "10", "bob")]
    found = evaluated(ROWS, answers("a", "b", "c"), votes, (), RULE, 0.95)
    assert found.columns["rating"] == [7.0, 3.0, 10.0]
    assert found.scores[0].name == "mean_rating"
    assert found.scores[0].value == pytest.approx(20 / 3)
    assert found.counts["raters"] == {"ada": {"votes": 2, "mean": 5.5}, "bob": {"votes": 2, "mean": 8.0}}
    assert found.details[0]["ratings"] == {"ada": 8.0, "bob": 6.0}


@pytest.mark.parametrize(("lowest", "highest"), [(3, 3), (5, 1), (0, 100)])
def test_a_scale_goes_up_and_has_few_points(lowest: int, highest: int) -> None:
    with pytest.raises((ConfigError, ValidationError), match="points"):
        Scale(lowest=lowest, highest=highest, lowest_label="a", highest_label="b")
