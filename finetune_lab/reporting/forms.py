"""Values as people read them. The same rules stand in assets/report/tables.js for what is drawn in a browser."""

import math
from typing import Any

from finetune_lab.reporting.parts import Cell, Form
from finetune_lab.text.terminal import visible
from finetune_lab.text.units import bytes_text

UNKNOWN = "not known"


def shown(cell: Cell) -> str:
    """The text of a cell; what is not known says so."""
    return formed(cell.value, cell.form)


def formed(value: Any, form: Form) -> str:
    """One value in a form. Text of strangers keeps no control characters."""
    if value is None:
        return UNKNOWN
    if form == "flag":
        return "yes" if value else "no"
    if form == "time":
        return visible(str(value))[:16].replace("T", " ")  # to the minute, UTC
    if isinstance(value, str) or form == "text":
        return visible(str(value))
    return _NUMBERS[form](float(value))


def _significant(value: float) -> str:
    """Four significant digits, without an exponent between a thousandth and ten million."""
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -3 or size > 6:
        mantissa, exponent = f"{value:.2e}".replace("-", "−").split("e")
        return f"{mantissa}e{exponent.replace('+', '').replace('−0', '−').lstrip('0') or '0'}"
    text = f"{value:,.{max(0, 3 - size)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def _signed(value: float) -> str:
    return f"+{_significant(value)}" if value > 0 else _significant(value)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else _significant(value)


def _seconds(value: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if value >= 2 * length:
            return f"{value / length:,.1f} {unit}"
    return f"{_significant(round(value, 1) if value >= 1 else value)} s"


def _p(value: float) -> str:
    return "under 0.0001" if value < 5e-5 else f"{value:.4f}".rstrip("0").rstrip(".")


_NUMBERS = {
    "number": _significant,
    "signed": _signed,
    "count": _count,
    "seconds": _seconds,
    "bytes": bytes_text,
    "p": _p,
}
