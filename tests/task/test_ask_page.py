"""The page of an item is the same whoever wrote what, and no text in it is anything but text."""

from pathlib import Path

from finetune_lab.people.items import Ballot, Item
from finetune_lab.people.pairs import OPTIONS
from finetune_lab.people.plan import Plan
from finetune_lab.people.queue import Queue
from finetune_lab.task.ask_page import button_label, done_page, gone_page, item_page

HOSTILE = (
    '<img src="http://x/y.png" onerror=alert(1)> ${alert(2)} {{constructor}} `x` ![a](http://x/z.png) \x1b[2J \u202e'
)


def queue_of(tmp_path: Path, texts: list[str]) -> Queue:
    item = Item.of([{"role": "user", "content": HOSTILE}], texts)
    ballot = Ballot(question="Which <b>?", hint="", options=OPTIONS, items=(item,), gold=())
    plan = Plan(seed=0, overlap=0, raters_each=2)
    return Queue(ballot=ballot, plan=plan, votes=tmp_path / "votes.jsonl", rater="<i>ada", source="browser")


def test_hostile_text_is_written_out(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, [HOSTILE, ""])
    showing = queue.next()
    assert showing is not None
    page = item_page(queue, showing, told="<u>")
    for mark in ("<img", "<i>", "<b>", "<u>", "${", "{{", "`", "\x1b", "\u202e"):
        assert mark not in page
    assert "&lt;img" in page
    assert "(nothing was written)" in page


def test_the_page_is_the_same_whichever_arm_wrote_which(tmp_path: Path) -> None:
    pages = set()
    for texts in (["one", "two"], ["two", "one"]):
        queue = queue_of(tmp_path, texts)
        showing = queue.next()
        assert showing is not None
        pages.add(item_page(queue, showing))
        assert not any(answer.id in item_page(queue, showing) for answer in showing.answers)
        assert showing.item.id not in item_page(queue, showing)
    assert len(pages) == 1


def test_the_ends(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, ["one", "two"])
    assert "Nothing is left" in done_page(queue)
    assert "can be closed" in gone_page(queue)
    assert button_label("7", "7") == "7"
    assert button_label("both bad", "4") == "both bad [4]"
