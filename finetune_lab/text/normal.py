"""Text without what a reader does not hear: case, spacing, and Unicode's several ways to write one character."""

import unicodedata


def normal(text: str) -> str:
    """`text` in compatibility form (NFKC), folded case, with single spaces between words and none around."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
