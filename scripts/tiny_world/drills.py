"""Games of repeating: what a model needs in order to copy words and marks it has not seen before."""

from __future__ import annotations

import string
from collections.abc import Callable

from tiny_world.lexicon import LEXICON, MARKS
from tiny_world.scene import Scene, listing, sentence

_LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits
_JOINERS = (" ", " ", ", ", "\n", " - ", "; ", " / ", "|", ". ")
_CATEGORIES = ("animal", "thing", "food", "colour", "job", "place", "plant", "adj", "mood", "verb_ed")


def nonsense(scene: Scene) -> str:
    """One unit to repeat: a word, an invented word, a number, a mark or a jumble of signs."""
    rng = scene.rng
    draw = rng.random()
    if draw < 0.3:
        return rng.choice(LEXICON[rng.choice(_CATEGORIES)])
    if draw < 0.6:
        word = scene.invented()
        return rng.choice((word, word, word.capitalize(), word.upper()))
    if draw < 0.72:
        return str(rng.randint(0, 10 ** rng.randint(1, 4)))
    if draw < 0.86:
        return rng.choice(MARKS)[0]
    length = rng.randint(2, 6)
    return "".join(rng.choice(_LETTERS) if rng.random() < 0.7 else rng.choice(MARKS)[0] for _ in range(length))


def _row(scene: Scene, longest: int) -> str:
    units = [nonsense(scene) for _ in range(scene.rng.randint(2, longest))]
    return scene.rng.choice(_JOINERS).join(units)


def say_after_me(scene: Scene) -> str:
    """Two people say the same row, once or more often."""
    rng, lines = scene.rng, []
    for _ in range(rng.randint(1, 3)):
        row = _row(scene, 10)
        lines.append(scene.fill("{hero} says: ") + row + scene.fill("\n{friend} says: ") + row)
    return scene.say("{friend} says everything that {hero} says.", "A game of repeating.") + "\n" + "\n".join(lines)


def again_and_again(scene: Scene) -> str:
    """A row that goes round."""
    row, times = _row(scene, 8), scene.rng.randint(2, 4)
    return ("\n" if "\n" in row else scene.rng.choice((" ", "\n"))).join([row] * times)


def missing(scene: Scene) -> str:
    """A row, and the same row without one of its units: which one is missing."""
    rng = scene.rng
    units = list(dict.fromkeys(nonsense(scene) for _ in range(rng.randint(3, 6))))
    gone = rng.choice(units)
    rest = [unit for unit in units if unit != gone] or units
    return f"On the board stands: {' '.join(units)}\nThen: {' '.join(rest)}\nMissing: {gone}"


def spelling(scene: Scene) -> str:
    """Words and their letters."""
    rng, lines = scene.rng, []
    mark = rng.choice(("-", " ", ", "))
    for _ in range(rng.randint(1, 4)):
        word = scene.invented() if rng.random() < 0.5 else rng.choice(LEXICON[rng.choice(_CATEGORIES)])
        lines.append(f"{sentence(word)} is spelled {mark.join(word)}.")
    return rng.choice((" ", "\n")).join(lines)


def marks(scene: Scene) -> str:
    """The names of some marks."""
    rng = scene.rng
    pattern = rng.choice(("The sign {0} is called {1}.", "{0} is {1}.", "{0}  {1}", "We write {0} for {1}."))
    return "\n".join(pattern.format(*mark) for mark in rng.sample(MARKS, rng.randint(2, 7)))


def pattern(scene: Scene) -> str:
    """Rows of the same shape with other words: the shape must be read from the first rows."""
    rng = scene.rng
    first, second = rng.sample(_CATEGORIES, 2)
    open_, mid = rng.choice(("", "", "* ", "- ", "(", "<", "the ")), rng.choice(MARKS)[0]
    close = rng.choice(("", ".", ";", "!"))
    gap = rng.choice(("", " "))
    close = {"(": ")", "<": ">"}.get(open_, close)
    count = rng.randint(3, 7)
    rows = zip(rng.sample(LEXICON[first], count), rng.sample(LEXICON[second], count), strict=True)
    return "\n".join(f"{open_}{a}{gap}{mid}{gap}{b}{close}" for a, b in rows)


def named_things(scene: Scene) -> str:
    """Invented names for known things, then asked again."""
    rng, count = scene.rng, scene.rng.randint(2, 6)
    things, names = scene.pick("thing", count), [scene.invented() for _ in range(count)]
    told = [f"a {name} is a {thing}" for name, thing in zip(names, things, strict=True)]
    order = rng.sample(range(count), count)
    asked = [f"What is a {names[i]}? A {things[i]}." for i in order]
    return scene.fill("In the language of {village} ") + listing(told) + ".\n" + rng.choice((" ", "\n")).join(asked)


def told_twice(scene: Scene) -> str:
    """One tells a row of names, the other tells it again, forwards or backwards."""
    people = scene.people(scene.rng.randint(3, 6))
    place = scene.fill("{place}")
    ends = [f"At the {place} were {listing(people)}.", f"Again: {', '.join(people)}."]
    if scene.rng.random() < 0.5:
        ends.append(f"Backwards: {', '.join(reversed(people))}.")
    if scene.rng.random() < 0.5:
        ends.append(f"The first was {people[0]}, the second was {people[1]}, and the last was {people[-1]}.")
    return " ".join(ends)


DRILLS: tuple[tuple[float, Callable[[Scene], str]], ...] = (
    (2.0, say_after_me), (1.5, again_and_again), (0.7, missing), (1.0, spelling), (0.5, marks), (1.2, pattern),
    (1.0, named_things), (1.0, told_twice),
)  # fmt: skip
