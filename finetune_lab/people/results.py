"""Results of a survey, as files that strangers sent: every one checked against the survey, and told by file and row."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from finetune_lab.errors import DataError
from finetune_lab.people.items import Ballot, draw, in_places
from finetune_lab.people.survey import Survey, letters_of
from finetune_lab.people.votes import Vote, now
from finetune_lab.preparing.reading import read_text
from finetune_lab.preparing.tables import read_table

_MOST_BYTES = 20_000_000
_LONGEST_NAME = 100
_FORMULA = ("=", "+", "-", "@")
Line = tuple[str, Mapping[str, Any]]  # a place for people, and a row


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads result files of one survey into votes. `ballot` is what the survey was made of."""

    survey: Survey
    ballot: Ballot

    def votes(self, path: Path) -> list[Vote]:
        """The votes of a file: .json, .csv, or a text with a completion code on every line.

        Raises DataError naming file and row for a file that is not whole; nothing of it counts then.
        """
        if path.is_file() and path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: {path.stat().st_size:,} bytes are too many for results of a survey")
        kinds = {".json": self._json, ".csv": self._csv}
        found = [self._vote(place, row) for place, row in kinds.get(path.suffix.lower(), self._codes)(path)]
        seen: dict[tuple[str, str], str] = {}
        for (place, row), vote in found:
            first = seen.setdefault((vote.item, vote.rater), place)
            if first != place:
                raise DataError(f"{place}: item {row['item']} was answered by {vote.rater!r} before, at {first}")
        return [vote for _, vote in found]

    def _json(self, path: Path) -> Iterator[Line]:
        try:
            told = json.loads(read_text(path))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: not JSON ({error}); the file may be cut") from None
        if not isinstance(told, dict) or not isinstance(told.get("votes"), list):
            raise DataError(f"{path}: results are an object with survey, rater and a list of votes")
        for number, row in enumerate(told["votes"], start=1):
            place = f"{path}, vote {number}"
            if not isinstance(row, dict):
                raise DataError(f"{place}: should be an object, got {type(row).__name__}")
            yield place, {**row, "survey": told.get("survey"), "rater": told.get("rater")}

    @staticmethod
    def _csv(path: Path) -> Iterator[Line]:
        for row in read_table(path):
            shown = row.fields.get("shown")
            rater = str(row.fields.get("rater") or "")
            own = rater[1:] if rater[:1] == "'" and rater[1:2] in _FORMULA else rater  # as the page guards formulas
            yield row.place, {**row.fields, "rater": own, "shown": shown.split() if isinstance(shown, str) else shown}

    def _codes(self, path: Path) -> Iterator[Line]:
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if line.strip():
                yield from self._code(line.strip(), f"{path}, line {number}")

    def _code(self, line: str, place: str) -> Iterator[Line]:
        parts = line.split(".")
        if len(parts) != 4:
            raise DataError(f"{place}: not a completion code; it has four parts with dots between them")
        survey, name, letters, check = parts
        try:
            rater = urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode("utf-8")
        except ValueError:
            raise DataError(f"{place}: the completion code is damaged (its name)") from None
        if check != f"{draw(survey, rater, letters):08x}":
            raise DataError(f"{place}: the completion code is damaged or cut; its check does not fit")
        known = letters_of([option.value for option in self.ballot.options])
        by_id = self.ballot.by_id
        if len(letters) != len(self.survey.items):
            raise DataError(f"{place}: a code of {len(letters)} items; this survey has {len(self.survey.items)}")
        for letter, item in zip(letters, self.survey.items, strict=True):
            named = self.survey.item_name(by_id[item])
            shown = in_places(tuple(self.survey.answer_names(by_id[item])), named, rater, self.survey.seed)
            row = {"survey": survey, "rater": rater, "item": named, "shown": list(shown), "said": known.get(letter)}
            if letter != "-":
                yield place + f", item {item[:6]}", row

    def _vote(self, place: str, row: Mapping[str, Any]) -> tuple[Line, Vote]:
        if row.get("survey") != self.survey.id:
            raise DataError(f"{place}: of survey {str(row.get('survey'))[:40]!r}; this one is {self.survey.id}")
        item = self._items.get(str(row.get("item")))
        if item is None:
            raise DataError(f"{place}: there is no item {str(row.get('item'))[:40]!r} in this survey")
        names = self.survey.answer_names(item)
        shown = row.get("shown")
        if not isinstance(shown, list) or sorted(map(str, shown)) != sorted(names):
            raise DataError(f"{place}: shown should name the answers of the item, {' and '.join(names)}")
        said = str(row.get("said"))
        if said not in self.ballot.values:
            known = ", ".join(option.value for option in self.ballot.options)
            raise DataError(f"{place}: {said[:40]!r} is not among the answers: {known}")
        return (place, row), Vote(
            item=item.id,
            shown=tuple(names[str(name)] for name in shown),
            said=said,
            rater=_rater(place, row.get("rater")),
            time=str(row.get("time") or now())[:40],
            seconds=_seconds(place, row.get("seconds")),
            source=f"survey {self.survey.id}",
        )

    @property
    def _items(self) -> dict[str, Any]:
        return {self.survey.item_name(item): item for item in self.ballot.by_id.values()}


def _rater(place: str, name: Any) -> str:
    if not isinstance(name, (str, int)) or not str(name).strip() or len(str(name)) > _LONGEST_NAME:
        raise DataError(f"{place}: rater should be a name of 1 to {_LONGEST_NAME} characters")
    return str(name)


def _seconds(place: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise DataError(f"{place}: seconds should be a number, got {str(value)[:40]!r}") from None
    if not isfinite(found) or found < 0:
        raise DataError(f"{place}: seconds should be a number from 0, got {value}")
    return found


def new_votes(found: Sequence[Vote], kept: Sequence[Vote]) -> list[Vote]:
    """Those of an item and a rater that are not there yet: a file that comes twice, or in two forms, counts once."""
    known = {(vote.item, vote.rater) for vote in kept}
    fresh = []
    for vote in found:
        if (vote.item, vote.rater) not in known:
            known.add((vote.item, vote.rater))
            fresh.append(vote)
    return fresh
