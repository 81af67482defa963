"""Personal data by what can be checked: check digits, numbering plans, addresses that others can reach."""

from typing import Any

import pytest

pytest.importorskip("phonenumbers", reason="pip install .[data]")
pytest.importorskip("stdnum", reason="pip install .[data]")

KINDS = "data.filters.personal_data.kinds=[email,phone,iban,card,ip,handle]"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jane.doe+x@mail.example.org please", "email"),
        ("call +44 20 7946 0958 now", "phone"),
        ("call (212) 555-2368 now", "phone"),
        ("pay DE89 3704 0044 0532 0130 00 today", "iban"),
        ("card 4111 1111 1111 1111", "card"),
        ("it is at 8.8.8.8 I think", "ip"),
        ("and 2001:4860:4860::8888 too", "ip"),
        ("thanks @somebody!", "handle"),
        ("pay DE89 3704 0044 0532 0130 01 today", None),  # wrong check digits
        ("card 4111 1111 1111 1112", None),
        ("from 127.0.0.1 and 10.0.0.1", None),
        ("version 1.2.3.4567, 300.1.1.1, at 12:30:45", None),
        ("roast at 350-540 degrees, 164.871 in all", None),
        ("in 2019 we sold 1500 of 20000, a @ b", None),
        ("it costs 3.50 or 12,000 and takes 45 minutes", None),
    ],
)
def test_personal_data(text: str, kind: str | None, lab: Any, candidate: Any) -> None:
    one = lab("filter@data.filters=[personal_data]", KINDS).data.filters["personal_data"]
    verdict = one.keep([candidate(answer=text)])[0]
    assert verdict.reason == (f"has a personal {kind}" if kind else None)
    assert verdict.detail == ""  # the note must not repeat it


def test_only_what_is_asked_for(lab: Any, candidate: Any) -> None:
    one = lab("filter@data.filters=[personal_data]", "data.filters.personal_data.kinds=[iban]").data.filters
    assert one["personal_data"].keep([candidate(answer="a@b.org")])[0].reason is None
