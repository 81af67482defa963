"""A survey as one file that opens anywhere: what it holds names nothing, and the key to it stays at home."""

import hmac
import json
import secrets
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from finetune_lab.errors import DataError
from finetune_lab.once import write_atomically
from finetune_lab.people.items import Ballot, Item
from finetune_lab.store.folders import read_json

ASSETS = Path(__file__).resolve().parent.parent / "assets" / "people"
KEY, PAGE = "key.json", "survey.html"
_LETTERS = 12


@dataclass(frozen=True, kw_only=True)
class Survey:
    """`items` in the order of the file; `secret` makes their names, so that only who has it can tell what is what."""

    secret: str
    question: str
    items: tuple[str, ...]

    @cached_property
    def id(self) -> str:
        """Names this survey in every result; it says nothing of what is asked."""
        return self.name("survey", self.question, *self.items)

    @property
    def seed(self) -> str:
        """What the page draws orders and sides from."""
        return self.name("seed")

    def name(self, *parts: str) -> str:
        """What stands in the file for something that only home may know."""
        return hmac.new(self.secret.encode(), "\x00".join(parts).encode(), sha256).hexdigest()[:_LETTERS]

    def item_name(self, item: Item) -> str:
        return self.name("item", item.id)

    def answer_names(self, item: Item) -> dict[str, str]:
        """Name in the file -> id of the answer, sorted by name: another order than that of the ids."""
        return dict(sorted((self.name("answer", item.id, answer.id), answer.id) for answer in item.answers))


def survey_of(folder: Path, ballot: Ballot) -> Survey:
    """The survey of a ballot with the key that lies in `folder`; a new key where there is none.

    Gold items stand among the others. Raises DataError for a key of other items: results of that survey may be out.
    """
    names = [item.id for item in (*ballot.items, *ballot.gold)]
    path = folder / KEY
    if path.exists():
        kept = read_survey(folder)
        if sorted(kept.items) == sorted(names) and kept.question == ballot.question:
            return kept
        raise DataError(f"{path} is of other items or another question; name another task.folder, or move it away")
    secret = secrets.token_hex(16)
    mixed = sorted(names, key=lambda name: hmac.new(secret.encode(), name.encode(), sha256).digest())
    survey = Survey(secret=secret, question=ballot.question, items=tuple(mixed))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"secret": secret, "question": survey.question, "items": mixed}, indent=1))
    path.chmod(0o600)
    return survey


def read_survey(folder: Path) -> Survey:
    """The survey whose key lies in `folder`. Raises DataError where it is not whole."""
    told = read_json(folder / KEY)
    if not isinstance(told.get("items"), list) or not all(
        isinstance(told.get(one), str) for one in ("secret", "question")
    ):
        raise DataError(f"{folder / KEY}: a key has secret, question and items")
    return Survey(secret=told["secret"], question=told["question"], items=tuple(map(str, told["items"])))


def page_of(survey: Survey, ballot: Ballot) -> str:
    """The whole file: style, script and items inline; a policy that lets nothing in or out."""
    style, script = (ASSETS / f"survey.{kind}" for kind in ("css", "js"))
    parts = {
        "style": style.read_text(encoding="utf-8"),
        "script": script.read_text(encoding="utf-8"),
        "survey": _embedded(_content(survey, ballot)),
    }
    allowed = {name: _source(parts[name]) for name in ("style", "script")}
    parts["policy"] = (
        f"default-src 'none'; style-src {allowed['style']}; script-src {allowed['script']}; "
        "base-uri 'none'; form-action 'none'"
    )
    found = (ASSETS / "survey.html").read_text(encoding="utf-8")
    for name in ("policy", "style", "script", "survey"):  # last what strangers wrote, so that no mark in it is filled
        found = found.replace("{{" + name + "}}", parts[name], 1)
    return found


def _content(survey: Survey, ballot: Ballot) -> dict[str, Any]:
    by_id = ballot.by_id
    return {
        "id": survey.id,
        "seed": survey.seed,
        "question": ballot.question,
        "hint": ballot.hint,
        "options": [
            {"value": option.value, "label": option.label, "key": option.typed[0]} for option in ballot.options
        ],
        "items": [_item(survey, by_id[name]) for name in survey.items],
    }


def _item(survey: Survey, item: Item) -> dict[str, Any]:
    texts = {answer.id: answer.text for answer in item.answers}
    return {
        "id": survey.item_name(item),
        "prompt": [{"role": turn["role"], "content": turn["content"]} for turn in item.prompt],
        "answers": [{"id": name, "text": texts[known]} for name, known in survey.answer_names(item).items()],
    }


def _embedded(content: Any) -> str:
    """JSON in which no text can close the element that it stands in."""
    plain = json.dumps(content, ensure_ascii=True)
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _source(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def letters_of(values: Sequence[str]) -> dict[str, str]:
    """What a letter of a completion code stands for."""
    return dict(zip("abcdefghijklmnopqrstuvwxyz", values, strict=False))
