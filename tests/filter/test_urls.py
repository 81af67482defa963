"""Addresses are found as people write them, and what only looks like one stays."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://example.com/a?b=c.", "https://example.com/a?b=c."),
        ("HTTP://EXAMPLE.ORG", "HTTP://EXAMPLE.ORG"),
        ("www.example.net/x", "www.example.net/x"),
        ("short t.co/AbC1 link", "t.co/AbC1"),
        ("on sub.example.co.uk today", "sub.example.co.uk"),
        ("mail me at someone@example.com", None),
        ("e.g. this, i.e. that... v1.2.3 and file.txt, done.me and so on", None),
        ("the end.Come on", None),
        ("a.b.c", None),
        ("www is a web", None),
    ],
)
def test_addresses(text: str, found: str | None, lab: Any, candidate: Any) -> None:
    one = lab("filter@data.filters=[urls]").data.filters["urls"]
    verdict = one.keep([candidate(answer=text)])[0]
    assert (verdict.reason, verdict.detail) == (("has a URL", found) if found else (None, ""))


def test_bare_ones_may_stand_and_the_part_decides(lab: Any, candidate: Any) -> None:
    row = candidate(prompt="look: https://a.b", answer="example.com is mine")
    line = ["filter@data.filters=[urls]", "data.filters.urls.bare=false"]
    assert lab(*line).data.filters["urls"].keep([row])[0].reason is None
    assert lab(*line, "data.filters.urls.part=prompt").data.filters["urls"].keep([row])[0].reason == "has a URL"
