"""What a reader does not hear does not count."""

import pytest

from finetune_lab.text.normal import normal


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("  The\tCAT\n\nsat ", "the cat sat"),
        ("Stra\u00dfe", "strasse"),
        ("e\u0301", "\u00e9"),
        ("\uff21\ufb01\u00a0x", "afi x"),
        (" \n", ""),
        ("no, yes.", "no, yes."),  # marks do count
    ],
)
def test_normal(text, due):
    assert normal(text) == due
