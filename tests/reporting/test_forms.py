"""Numbers as people read them."""

import pytest

from finetune_lab.reporting.forms import formed


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (None, "number", "not known"),
        (0.0, "signed", "0"),
        (-0.012345, "signed", "−0.01235"),
        (12.0, "number", "12"),
        (1234.5, "number", "1,234"),
        (1.5e-7, "number", "1.50e−7"),
        (2.5e9, "number", "2.50e9"),
        (1_048_576, "count", "1,048,576"),
        (0.00001, "p", "under 0.0001"),
        (0.05, "p", "0.05"),
        (7250.0, "seconds", "2.0 h"),
        (1.25, "seconds", "1.2 s"),
        (3.1e8, "bytes", "310 MB"),
        (1, "flag", "yes"),
        ("\x1b[2J", "number", "\\x1b[2J"),
        ("2026-01-01T10:00:00+00:00", "time", "2026-01-01 10:00"),
    ],
)
def test_forms(value, form, text):
    assert formed(value, form) == text
