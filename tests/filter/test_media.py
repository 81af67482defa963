"""Attachments by the row's fields, and pictures by their marks in the text."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("fields", "answer", "detail"),
    [
        ({"media": [{"type": "photo"}]}, "nice", "media"),
        ({"media": 2}, "nice", "media"),
        ({"media": []}, "nice", None),
        ({}, "so good pic.twitter.com/AbC", "pic.twitter.com/AbC"),
        ({}, "![a cat](cat.png)", "![a cat](cat.png)"),
        ({}, "<img src=x>", "<img"),
        ({}, "a [link](there) and a picture", None),
    ],
)
def test_media(fields: dict[str, Any], answer: str, detail: str | None, lab: Any, candidate: Any) -> None:
    one = lab("filter@data.filters=[media]").data.filters["media"]
    verdict = one.keep([candidate(fields=fields, answer=answer)])[0]
    assert (verdict.reason, verdict.detail) == (("has media", detail) if detail else (None, ""))
