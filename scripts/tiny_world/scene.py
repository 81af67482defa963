"""A scene: people, things and numbers that stay the same while its templates are filled."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from tiny_world.lexicon import CODAS, LEXICON, MEN, ONSETS, SURNAMES, VILLAGES, VOWELS, WOMEN

_SLOT = re.compile(r"\{((?:(?:a|s|cap|word):)*)(~?)([a-z_]+?)(\d*)\}")
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_PLURALS = {
    "sheep": "sheep", "mouse": "mice", "goose": "geese", "deer": "deer", "knife": "knives",
    "calf": "calves", "fish": "fish", "foot": "feet",
}  # fmt: skip
_SYLLABLE_COUNTS = (1, 2, 2, 2, 3)


def number_word(number: int) -> str:
    """The English name of a number from 0 to 999."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{_ONES[hundreds]} hundred" + (f" and {number_word(rest)}" if rest else "")


def plural(noun: str) -> str:
    """The plural of a noun of the lexicon."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def with_article(phrase: str) -> str:
    """`phrase` after "a" or "an", by its first sound."""
    if phrase.startswith(("use", "one")):
        return "a " + phrase
    return ("an " if phrase[0].lower() in "aeiou" or phrase.startswith("hones") else "a ") + phrase


def listing(items: list[str], last: str = "and") -> str:
    """The items in prose: "a", "a and b", "a, b and c"."""
    if len(items) == 1:
        return items[0]
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def sentence(text: str) -> str:
    """`text` with its first letter in upper case."""
    return text[:1].upper() + text[1:]


_MARKS: dict[str, Callable[[str], str]] = {
    "a": with_article, "s": plural, "cap": sentence, "word": lambda text: number_word(int(text)),
}  # fmt: skip


class Scene:
    """Fills templates such as "{hero} saw {a:adj} {thing}.".

    A slot names a category of the lexicon or of `lines`, and keeps its value for the whole scene;
    a number behind the name asks for another one ({thing2}), a tilde for a fresh one each time.
    The marks a:, s:, cap: and word: add the article, the plural, a capital, a number's name.
    """

    def __init__(self, rng: random.Random, lines: dict[str, tuple[str, ...]]) -> None:
        self.rng = rng
        self._lines = lines
        self._bound: dict[str, str] = {}
        self._used: set[str] = set()
        self._cast("hero", "")
        self._cast("friend", "2")

    def fill(self, template: str) -> str:
        """The template with every slot replaced."""
        return _SLOT.sub(self._replace, template)

    def say(self, *templates: str) -> str:
        """One of the templates, filled."""
        return self.fill(self.rng.choice(templates))

    def pick(self, category: str, count: int) -> list[str]:
        """`count` different values of a category that the scene has not used, if enough are left."""
        values = [value for value in self._values(category) if value not in self._used]
        if len(values) < count:
            values = list(self._values(category))
        chosen = self.rng.sample(values, count)
        self._used.update(chosen)
        return chosen

    def people(self, count: int) -> list[str]:
        """`count` different names."""
        return [self._fresh_name(self.rng.random() < 0.5) for _ in range(count)]

    def invented(self) -> str:
        """A pronounceable word that means nothing, in lower case."""
        rng = self.rng
        count = rng.choice(_SYLLABLE_COUNTS)
        stem = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(count))
        return stem + rng.choice(CODAS)

    def _cast(self, role: str, number: str) -> None:
        is_woman = self.rng.random() < 0.5
        self._bound[role] = self._fresh_name(is_woman)
        pronouns = ("she", "her", "her") if is_woman else ("he", "him", "his")
        for key, word in zip(("he", "him", "his"), pronouns, strict=True):
            self._bound[key + number] = word

    def _fresh_name(self, is_woman: bool) -> str:
        if self.rng.random() < 0.2:
            return self._remember(self.invented().capitalize())
        names = [name for name in (WOMEN if is_woman else MEN) if name not in self._used]
        return self._remember(self.rng.choice(names))

    def _remember(self, value: str) -> str:
        self._used.add(value)
        return value

    def _replace(self, match: re.Match[str]) -> str:
        marks, fresh, category, number = match.groups()
        key = category + number
        if fresh or key not in self._bound:
            value = self.fill(self._draw(category))
            if not fresh:
                self._bound[key] = value
        else:
            value = self._bound[key]
        for mark in reversed(marks.split(":")[:-1]):
            value = _MARKS[mark](value)
        return value

    def _draw(self, category: str) -> str:
        if category == "n":
            return str(self.rng.randint(2, 12))
        if category == "person":
            return self._fresh_name(self.rng.random() < 0.5)
        if category == "surname":
            return self.rng.choice(SURNAMES)
        if category == "village":
            return self.invented().capitalize() if self.rng.random() < 0.3 else self.rng.choice(VILLAGES)
        if category == "clock":
            return f"{self.rng.randint(5, 22)}:{self.rng.randrange(0, 60, 5):02d}"
        values = self._values(category)
        for _ in range(8):
            value = self.rng.choice(values)
            if value not in self._used:
                break
        return self._remember(value)

    def _values(self, category: str) -> tuple[str, ...]:
        return LEXICON[category] if category in LEXICON else self._lines[category]
