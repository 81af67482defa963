"""The page of a row: everything that comes from a row or a person is escaped, wherever it stands."""

from pathlib import Path

from finetune_lab.preparing.review_queue import ReviewQueue
from finetune_lab.records import Sample
from finetune_lab.task.review_page import done_page, row_page

HOSTILE = "<script>x</script>\"'&\u202e\x1b"


def queue(tmp_path: Path, *labels: str) -> ReviewQueue:
    row = Sample.of(messages=[{"role": "user", "content": HOSTILE}], facts={HOSTILE: HOSTILE, "label": "b"})
    path = tmp_path / "d.jsonl"
    return ReviewQueue(rows=[row], decisions=path, reviewer=HOSTILE, twice=1, label="label", labels=labels)


def test_nothing_of_a_strangers_is_markup(tmp_path: Path) -> None:
    for one in (queue(tmp_path), queue(tmp_path, HOSTILE, "b")):
        page = row_page(one, one.rows[0], told=HOSTILE, typed=HOSTILE)
        assert "<script" not in page
        assert not set(page.partition("<textarea")[0]) & {"\u202e", "\x1b"}
        assert page.count("&lt;script&gt;x&lt;/script&gt;") >= 6  # reviewer, told, fact (twice), turn, typed
    assert "<script" not in done_page(queue(tmp_path))


def test_the_label_that_holds_is_chosen(tmp_path: Path) -> None:
    one = queue(tmp_path, "a", "b")
    assert '<option value="b" selected>b</option>' in row_page(one, one.rows[0])
    assert '<input name="label" value="b">' in row_page(queue(tmp_path), one.rows[0])


def test_a_text_keeps_its_first_line_end(tmp_path: Path) -> None:
    one = queue(tmp_path)
    row = Sample.of(text="\nsecond line")
    assert '<textarea name="text">\n\nsecond line</textarea>' in row_page(one, row)
