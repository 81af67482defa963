"""Foreign text in Markdown keeps its signs and loses their meaning."""

from finetune_lab.text.markdown import cell, quoted


def test_a_cell_is_one_line_without_meaning() -> None:
    assert cell("a | b\n# c") == "a \\| b \\# c"
    assert cell("<img src=x> & [a](b)") == "&lt;img src=x\\> &amp; \\[a\\]\\(b\\)"
    assert "\x1b" not in cell("\x1b[31mred")


def test_quoted_text_cannot_end_its_own_fence() -> None:
    assert quoted("plain") == "` plain `"
    assert quoted("a ``` b") == "```` a ``` b ````"
    assert quoted("x" * 400, longest=10) == "` " + "x" * 9 + "\u2026 `"
    assert quoted(" \n ") == "(empty)"
