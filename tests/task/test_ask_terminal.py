"""What a person sees at the terminal: two answers side by side where there is room, and text that is harmless."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from finetune_lab.people.items import Ballot, Item
from finetune_lab.people.pairs import OPTIONS
from finetune_lab.people.plan import Plan
from finetune_lab.people.queue import Queue
from finetune_lab.people.ratings import Scale
from finetune_lab.task.ask_terminal import converse


def sitting(tmp_path: Path, typed: str, width: int, *texts: str) -> str:
    options, hint = OPTIONS, ""
    if len(texts) == 1:
        scale = Scale(lowest=0, highest=5, lowest_label="useless", highest_label="perfect")
        options, hint = scale.options(), scale.hint()
    item = Item.of([{"role": "user", "content": "[red]q[/] \x1b[2J"}], texts)
    ballot = Ballot(question="How is it?", hint=hint, options=options, items=(item,), gold=())
    plan = Plan(seed=0, overlap=0, raters_each=2)
    queue = Queue(ballot=ballot, plan=plan, votes=tmp_path / "votes.jsonl", rater="ada", source="terminal")
    screen = StringIO()
    converse(queue, StringIO(typed), Console(file=screen, width=width, highlight=False))
    return screen.getvalue()


def test_answers_stand_side_by_side_where_there_is_room(tmp_path: Path) -> None:
    wide = sitting(tmp_path, "q\n", 120, "one", "two")
    narrow = sitting(tmp_path, "q\n", 80, "one", "two")
    assert any("one" in line and "two" in line for line in wide.splitlines())
    assert not any("one" in line and "two" in line for line in narrow.splitlines())
    assert max(map(len, narrow.splitlines())) <= 80
    assert "[red]q[/] \\x1b[2J" in wide


def test_points_and_an_answer_that_says_nothing(tmp_path: Path) -> None:
    shown = sitting(tmp_path, "u\n7\n0\n", 80, "")
    assert "(nothing was written)" in shown
    assert "How is it? 0 = useless, 5 = perfect" in shown
    assert "[0 to 5]" in shown
    assert "not one of these: 7" in shown
    assert "nothing is left to vote on" in shown
