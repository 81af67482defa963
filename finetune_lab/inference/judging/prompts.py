"""The questions that judges are asked: texts from assets/judge, filled in so that no text can close its own marks."""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from finetune_lab.errors import ConfigError
from finetune_lab.fingerprint import file_digest
from finetune_lab.records import Message, Sample

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "judge"
_FIELD = re.compile(r"\{\{(\w+)\}\}")
_TAG_LETTERS = 10


def wordings_of(kind: str) -> list[str]:
    """The wordings that there are of a kind of question."""
    return sorted(path.stem.partition("-")[2] for path in ASSETS.glob(f"{kind}-*.txt"))


def digest(kind: str, wording: str) -> str:
    """What names a text by its content. Raises ConfigError for a wording that there is not."""
    return file_digest(_path(kind, wording))


def filled(kind: str, wording: str, texts: Mapping[str, str]) -> tuple[Message, ...]:
    """One question as the turns of a conversation. What is filled in is never looked at again for fields.

    The marks around strangers' texts carry a tag that is made from all texts and stands in none of them: to close a
    mark, a text would have to hold a digest of itself.
    """
    template = _path(kind, wording).read_text(encoding="utf-8").strip()
    known = {**texts, "tag": _tag(list(texts.values()))}
    content = _FIELD.sub(lambda match: known[match[1]], template)
    return ({"role": "user", "content": content.encode("utf-8", "replace").decode("utf-8")},)  # no half surrogates


def conversation_text(sample: Sample) -> str:
    """What was said before the answer, as a judge reads it."""
    if len(sample.prompt) == 1 and sample.prompt[0]["role"] == "user":
        return sample.prompt[0]["content"]
    if not sample.prompt:
        return sample.text or ""
    return "\n\n".join(f"{turn['role'].upper()}: {turn['content']}" for turn in sample.prompt)


def _tag(texts: Sequence[str]) -> str:
    joined, number = "\x00".join(sorted(texts)), 0
    while (tag := _digest(f"{number}\x00{joined}")) in joined.lower():
        number += 1
    return tag


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_TAG_LETTERS]


def _path(kind: str, wording: str) -> Path:
    if wording not in wordings_of(kind):
        raise ConfigError(
            f"there is no wording {wording!r} of a {kind} question; known: {', '.join(wordings_of(kind))}"
        )
    return ASSETS / f"{kind}-{wording}.txt"
