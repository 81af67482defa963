"""Under which licence data stand, as far as files beside them say."""

from pathlib import Path

GENERATED = "Apache-2.0, as the package that generates and ships it"
UNKNOWN = "not known; ask whoever made the data"
_NAMES = ("README.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE")
_LONGEST = 120  # characters


def licence_beside(place: Path) -> str:
    """The licence by the data card (`license:` at the head of README.md) or the first line of a licence file.

    `place` is a folder of data, or a file in one.
    """
    folder = place if place.is_dir() else place.parent
    for name in _NAMES:
        path = folder / name
        if path.is_file() and (found := _in_card(path) if name == "README.md" else _first_line(path)):
            return found[:_LONGEST]
    return UNKNOWN


def _in_card(path: Path) -> str | None:
    """What stands behind `license:` between the two lines of --- that a data card begins with."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != "---":
        return None
    for number, line in enumerate(lines[1:], start=1):
        if line.strip() == "---":
            return None
        name, _, value = line.partition(":")
        if name.strip() == "license":
            below = lines[number + 1].strip() if number + 1 < len(lines) else ""
            listed = value if value.strip() else below.removeprefix("- ")
            return listed.strip().strip("\"'[]") or None
    return None


def _first_line(path: Path) -> str | None:
    text = path.read_text(encoding="utf-8", errors="replace")
    return next((line.strip() for line in text.splitlines() if line.strip()), None)
