"""Text that strangers wrote (a model, a data set), made safe to print."""

import re

from rich.markup import escape

# C0 and C1 controls but for tab and newline; delete; marks that turn the direction of what follows; half surrogates
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return `text` for a rich console: control characters become visible (`\x1b`), and markup is escaped.

    It may stand between tags of our own. What is printed can then neither colour, move, overwrite nor hide
    anything. Tabs and newlines stay.
    """
    return escape(visible(text))


def visible(text: str) -> str:
    """`text` with its control characters written out; markup stays as it is."""
    return _UNSAFE.sub(lambda match: _name(ord(match.group())), text)


def one_line(text: str, max_characters: int) -> str:
    """`printable` text on one line, cut with an ellipsis where it is longer than `max_characters`."""
    flat = " ".join(text.split())
    return printable(flat if len(flat) <= max_characters else f"{flat[: max_characters - 1]}…")


def _name(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
