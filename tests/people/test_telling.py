"""What people read of votes: hostile names are harmless, and one rater is told to be one."""

from finetune_lab.people.gold import Gold
from finetune_lab.people.items import Item
from finetune_lab.people.pairs import Pairing, evaluated
from finetune_lab.people.telling import lines_of
from finetune_lab.people.votes import Vote
from finetune_lab.records import Sample


def test_lines_of_one_rater_with_a_hostile_name() -> None:
    row = Sample.of(messages=[{"role": "user", "content": "q"}])
    item = Item.of(row.prompt, ["old", "new"])
    ids = tuple(answer.id for answer in item.answers)
    name = "[red]\x1b[2J eve"
    vote = Vote(item=item.id, shown=ids, said="bad", rater=name, time="t", seconds=None, source="browser")
    made = Pairing(rows=(row,), reference=("old",), candidate=("new",))
    rule = Gold(share=0, file=None, needed=None, after=1)
    lines = lines_of("grit", evaluated(made, [vote], (), rule, 0.95))
    assert lines[0].startswith("grit: win rate 0.50 [unknown]; 1 votes on 1 of 1 rows; by [red]\\x1b")
    assert "both bad: 100% of the votes" in lines
    assert any("the interval covers the items alone" in line for line in lines)
    assert not any("\x1b" in line for line in lines)


def test_many_pairs_of_raters_are_told_in_one_line() -> None:
    row = Sample.of(messages=[{"role": "user", "content": "q"}])
    item = Item.of(row.prompt, ["old", "new"])
    ids = tuple(answer.id for answer in item.answers)
    votes = [
        Vote(item=item.id, shown=ids, said="left", rater=f"r{n}", time="t", seconds=None, source="browser")
        for n in range(5)
    ]
    made = Pairing(rows=(row,), reference=("old",), candidate=("new",))
    rule = Gold(share=0, file=None, needed=None, after=1)
    lines = lines_of("grit", evaluated(made, votes, (), rule, 0.95))
    assert "agreement: of 10 pairs of raters stands in the evaluation's note" in lines
    assert not any("r0 ~ r1" in line for line in lines)
