"""Rows with personal data: e-mail and IP addresses, telephone numbers, IBANs, payment cards. pip install .[data]

Telephone numbers by phonenumbers (Google's library), check digits of IBANs and cards by python-stdnum.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from finetune_lab.plugin import plugin
from finetune_lab.preparing.filtering import Part, text_of
from finetune_lab.preparing.needs import needed
from finetune_lab.records import Candidate, Verdict

Kind = Literal["email", "phone", "iban", "card", "ip", "handle"]
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+", re.ASCII)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")
_IP = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){3,7})(?![\w.:]*\w)")
_HANDLE = re.compile(r"(?<![\w@/])@\w{2,30}\b", re.ASCII)


@plugin
class PersonalData:
    """Drops rows whose `part` holds one of `kinds`; `regions` (ISO 3166) read telephone numbers without + and country.

    What was found is not repeated in the reasons.
    """

    part: Part
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)]
    regions: tuple[str, ...]

    def check(self) -> None:
        """Raise WorldError where a package is missing."""
        needed("phonenumbers", filter="personal_data")
        needed("stdnum", filter="personal_data")

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        finders = self._finders()
        verdicts = []
        for row in rows:
            text = text_of(row.sample, self.part)
            kind = next((kind for kind in self.kinds if any(finders[kind](text))), None)
            verdicts.append(Verdict(reason=f"has a personal {kind}") if kind else Verdict())
        return verdicts

    def _finders(self) -> dict[str, Callable[[str], Iterator[bool]]]:
        """By kind, what goes through the candidates in a text and says which of them are real."""
        iban = needed("stdnum.iban", filter="personal_data")
        luhn = needed("stdnum.luhn", filter="personal_data")
        phones = needed("phonenumbers", filter="personal_data")

        def telephones(text: str) -> Iterator[bool]:
            for region in self.regions or (None,):
                # strict: `350-540` in a sentence about degrees could be dialled somewhere, but nobody groups so
                found = phones.PhoneNumberMatcher(text, region, leniency=phones.Leniency.STRICT_GROUPING)
                yield from (True for _ in found)

        return {
            "email": lambda text: (True for _ in _EMAIL.finditer(text)),
            "phone": telephones,
            "iban": lambda text: (iban.is_valid(match[0]) for match in _IBAN.finditer(text)),
            "card": lambda text: (_is_card(match[0], luhn.is_valid) for match in _CARD.finditer(text)),
            "ip": lambda text: (_is_ip(match[0]) for match in _IP.finditer(text)),
            "handle": lambda text: (True for _ in _HANDLE.finditer(text)),
        }


def _is_card(text: str, checks: Callable[[str], bool]) -> bool:
    digits = re.sub(r"\D", "", text)
    return digits[0] in "23456" and len(set(digits)) > 1 and bool(checks(digits))


def _is_ip(text: str) -> bool:
    """Whether it is an address of a machine that others can reach; 127.0.0.1 and 10.0.0.1 are nobody's."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False
