"""What a judge model said, read out of its answer: the last verdict binds, and no verdict is None, never a guess."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Protocol

# a line that begins with the word, whatever marks of layout stand around it
_OPENS = r"(?im)^[ \t*_#`>\-\[(\"']*(?:final[ \t]+|overall[ \t]+)?{word}[ \t*_`\"']*[:=\-–][ \t*_`\[(\"'<]*"
_MARGINS = {">>": 2, ">": 1, "=": 0, "<": -1, "<<": -2}
_PAIR = re.compile(
    _OPENS.format(word="verdict")
    + r"(?:(?P<one>[ab])[ \t]*(?P<sign>>>|>|==?|<<|<)[ \t]*(?P<other>[ab])\b|(?P<tie>tie)\b)"
)
_LEAST_MASS = 0.5  # of probability that the scores must hold between them, or the written one stands
_PREFIX_MASS = 0.01  # of a score that may be the beginning of a longer one


class Weighed(Protocol):
    """A token and the log-probabilities of what could have stood there."""

    @property
    def text(self) -> str: ...
    @property
    def top(self) -> Mapping[str, float]: ...


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a text a word stands."""

    word: str
    first: int
    behind: int


def margin_of(answer: str) -> int | None:
    """By how much the answer shown first (A) is the better one, from −2 to 2; None where there is no verdict."""
    found: re.Match[str] | None = None
    for match in _PAIR.finditer(answer):
        if match["tie"] or match["one"].lower() != match["other"].lower():
            found = match
    if found is None:
        return None
    if found["tie"]:
        return 0
    margin = _MARGINS[found["sign"].replace("==", "=")]
    return margin if found["one"].lower() == "a" else -margin


def label_of(answer: str, labels: Sequence[str]) -> str | None:
    """The last of `labels` that a line `Verdict: …` names; None where none does."""
    pattern = re.compile(_OPENS.format(word="verdict") + f"({'|'.join(map(re.escape, labels))})" + r"\b")
    found = [match[1].lower() for match in pattern.finditer(answer)]
    return found[-1] if found else None


def score_of(answer: str, low: int, high: int) -> float | None:
    """The last score that a line `Score: …` gives; None where there is none, or where it lies outside the scale."""
    found = [float(match[1]) for match in _scores(answer)]
    return found[-1] if found and low <= found[-1] <= high else None


def last_of(answer: str, scale: Sequence[str]) -> Place | None:
    """Where the last score stands, if it is a word of the scale."""
    found = list(_scores(answer))
    if not found or found[-1][1] not in scale:
        return None
    return Place(word=found[-1][1], first=found[-1].start(1), behind=found[-1].end(1))


def expected_score(tokens: Sequence[Weighed], scale: Sequence[str]) -> float | None:
    """The mean of the scores by the probabilities that the judge gave them where it wrote the last one.

    None where these are not known: no token, a score of several tokens, too little probability on the scale, or an
    alternative that could be the beginning of a longer score (1 of 10).
    Source: Liu et al. (2023), G-Eval, arXiv:2303.16634, §2.
    """
    place = last_of("".join(one.text for one in tokens), scale)
    token = _token_at(tokens, place) if place else None
    return None if token is None else mean_of_words(token.top, scale)


def mean_of_words(top: Mapping[str, float], scale: Sequence[str]) -> float | None:
    """Σ p(s)·s / Σ p(s) over the words of the scale; words that differ in the space before them are one."""
    masses = dict.fromkeys(scale, 0.0)
    for text, logprob in top.items():
        if (word := text.strip()) in masses:
            masses[word] += exp(logprob)
    total = sum(masses.values())
    most = max((exp(value) for value in top.values()), default=0.0)
    if total < _LEAST_MASS * max(1.0, most):
        return None
    for word, mass in masses.items():
        longer = [other for other in scale if other != word and other.startswith(word)]
        if mass > _PREFIX_MASS * total and any(masses[other] == 0 for other in longer):
            return None
    return sum(mass * float(word) for word, mass in masses.items()) / total


def _scores(answer: str) -> Iterator[re.Match[str]]:
    return re.finditer(_OPENS.format(word=r"(?:score|rating)") + r"(\d+(?:\.\d+)?)(?![\d.]*\d)", answer)


def _token_at(tokens: Sequence[Weighed], place: Place) -> Weighed | None:
    start = 0
    for token in tokens:
        end = start + len(token.text)
        if start <= place.first and place.behind <= end and token.text.strip() == place.word:
            return token
        start = end
    return None
