"""The Markdown twin says the same, and nothing that a model wrote is Markdown in it."""

from pathlib import Path
from typing import Any

from finetune_lab.reporting.markdown import escaped, fenced


def test_it_says_what_the_page_says(study: Path, page_of: Any) -> None:
    text = (study / "reports" / "study" / "report.md").read_text()
    for figure in page_of.figures:
        assert escaped(figure["text"]) in text
    for _, (sql, _) in page_of.questions.items():
        assert sql in text


def test_strangers_cannot_leave_their_fence(study: Path, made_up: Any) -> None:
    text = (study / "reports" / "study" / "report.md").read_text()
    assert "\x1b" not in text
    fence, kept = "", []
    for line in text.splitlines():
        if not fence and line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
        elif fence and line == fence:
            fence = ""
        elif not fence:
            kept.append(line)
    assert fence == ""
    assert not any("<script" in line.replace("\\<", "") or "<img" in line.replace("\\<", "") for line in kept)


def test_text_with_fences_is_fenced_by_a_longer_one() -> None:
    assert list(fenced("```\nx", "text")) == ["````text", "```\nx", "````"]
    assert escaped("a | b\n<c> [d](e)") == r"a \| b \<c\> \[d\](e)"
